"""Let the model call a function, and give it the result."""

import json

from forefront import ForefrontClient, MessageParam, ToolParam

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: ToolParam = {"type": "function", "function": {"name": "get_weather", "parameters": PLACE}}

ask = ForefrontClient(default_model="forefront-mini").chat.completions.create
messages: list[MessageParam] = [{"role": "user", "content": "What is the weather in Rome?"}]
message = ask(messages=messages, tools=[TOOL], tool_choice="required", temperature=0).message
messages.append(message)
for call in message.tool_calls or []:
    print(f"{call.function.name}({call.function.arguments})")
    weather = {"temperature": 21, "sky": "clear"}
    messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(weather)})
print(ask(messages=messages, tools=[TOOL], temperature=0).message.content)
