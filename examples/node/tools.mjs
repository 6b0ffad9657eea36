// The model calls a function of yours, and answers with what it returned.
import Forefront from "forefront";

const client = new Forefront({ defaultModel: "forefront-mini" });
const parameters = { type: "object", properties: { city: { type: "string", maxLength: 20 } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "get_weather", description: "The weather in a city", parameters } }];
const getWeather = ({ city }) => ({ city, sky: "clear", celsius: 21 });

const messages = [{ role: "user", content: "What is the weather like in Rome?" }];
const completion = await client.chat.completions.create({ messages, tools, tool_choice: "required" });
messages.push(completion.message);
for (const { id, function: call } of completion.message.tool_calls) {
  const result = getWeather(JSON.parse(call.arguments));
  console.log(call.name, result.city);
  messages.push({ role: "tool", tool_call_id: id, content: JSON.stringify(result) });
}
const { message } = await client.chat.completions.create({ messages, tools, tool_choice: "none" });
console.log(message.content);
