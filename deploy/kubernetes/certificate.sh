#!/bin/sh
# Write the certificate of this pod to /tls, signed by the authority in /ca. NAMES: further DNS names, comma-separated.
set -eu
umask 077
names="IP:127.0.0.1,IP:$POD_IP,DNS:localhost"
[ -z "${NAMES:-}" ] || names="$names,DNS:$(echo "$NAMES" | sed 's/,/,DNS:/g')"
openssl req -new -newkey rsa:2048 -nodes -keyout "${TLS:=/tls}/tls.key" -out "$TLS/request.pem" -subj "/CN=forefront"
printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "$names" > "$TLS/extensions"
openssl x509 -req -in "$TLS/request.pem" -CA "${CA:=/ca}/tls.crt" -CAkey "$CA/tls.key" -set_serial "0x$(openssl rand -hex 16)" \
  -days 365 -sha256 -extfile "$TLS/extensions" -out "$TLS/tls.crt"
cp "$CA/tls.crt" "$TLS/ca.crt"
