// What goes wrong has a class, a code, the field that is to blame, and the request's id in the server's log.
import Forefront, { APIConnectionError, APIStatusError } from "forefront";

const client = new Forefront({ maxRetries: 3, timeout: { read: 30_000, total: 60_000 } });

try {
  await client.chat.completions.create({ model: "forefront-mimi", messages: [{ role: "user", content: "Hello" }] });
} catch (error) {
  if (error instanceof APIStatusError) {
    console.log(error.name, error.status, error.code, error.param);
    console.log(error.message);
  } else if (error instanceof APIConnectionError) {
    console.log("no answer:", error.message);
  } else {
    throw error;
  }
}
