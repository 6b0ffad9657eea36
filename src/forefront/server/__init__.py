"""HTTP: routes, server-sent events, error bodies. Knows what may be asked and how it is answered, not what answers."""
