// HTTP by hand, to be wrong on purpose.

/** Call `handle` with each request that comes over the socket. */
export function received(socket, handle) {
  let bytes = Buffer.alloc(0);
  const take = () => {
    if (bytes[0] === 0x16) {
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"); // the first byte of TLS, which this does not speak
      return undefined;
    }
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) {
      return undefined;
    }
    const [line, ...fields] = bytes.subarray(0, end).toString("latin1").split("\r\n");
    const headers = Object.fromEntries(fields.map((field) => [field.split(":")[0].toLowerCase(), field.slice(field.indexOf(":") + 1).trim()]));
    const length = Number(headers["content-length"] ?? 0);
    if (bytes.length < end + 4 + length) {
      return undefined;
    }
    const text = bytes.subarray(end + 4, end + 4 + length).toString();
    bytes = bytes.subarray(end + 4 + length);
    const [method, path] = line.split(" ");
    return { method, path, headers, body: text ? JSON.parse(text) : undefined };
  };
  socket.on("data", (piece) => {
    bytes = Buffer.concat([bytes, piece]);
    for (let request = take(); request; request = take()) {
      handle(request);
    }
  });
}

/** Answer as a case of the contract says. */
export function write(socket, { status, headers = {}, json, text, end }) {
  if (end === "silent") {
    return;
  }
  if (end === "none") {
    socket.destroy();
    return;
  }
  const body = Buffer.from(json === undefined ? [text ?? ""].flat().join("") : JSON.stringify(json));
  const chunked = headers["content-type"]?.startsWith("text/event-stream");
  const missing = end ? 100 : 0;
  const framing = chunked ? { "transfer-encoding": "chunked" } : { "content-length": body.length + missing };
  const fields = Object.entries({ ...headers, ...framing }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} Said\r\n${fields.join("")}\r\n`);
  if (chunked && body.length) {
    socket.write(`${body.length.toString(16)}\r\n`);
    socket.write(body);
    socket.write("\r\n");
  } else {
    socket.write(body);
  }
  if (end === "early") {
    socket.end();
  } else if (chunked && end === undefined) {
    socket.write("0\r\n\r\n");
  }
}
