"""Other services on loopback: the hub, a package index, collectors, proxies."""
