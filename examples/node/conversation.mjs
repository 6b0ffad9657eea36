// Two turns: the answer's message is a message of the next question.
import Forefront from "forefront";

const client = new Forefront({ defaultModel: "forefront-mini" });

const messages = [{ role: "user", content: "Write a recipe for an italian dinner" }];
const first = await client.chat.completions.create({ messages, temperature: 0 });
messages.push(first.message, { role: "user", content: "And one for a mexican dinner" });
const second = await client.chat.completions.create({ messages, temperature: 0 });
console.log(second.message.content);
