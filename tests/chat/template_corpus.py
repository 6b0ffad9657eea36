# ruff: noqa: E501 - templates are read as they are written
"""Chat templates in the manner of popular open models: short, each with the constructs that its family's has."""

from typing import Final

_CHATML: Final = "{{'<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n'}}"

CORPUS: Final = {
    "chatml": "{% for m in messages %}"
    + _CHATML
    + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "smollm2": "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM<|im_end|>\n' }}{% endif %}"
    + _CHATML
    + "{% endfor %}",
    "smollm3": """{%- if messages[0].role == "system" -%}{%- set system = messages[0].content -%}{%- if "/no_think" in system -%}{%- set mode = "/no_think" -%}{%- elif "/think" in system -%}{%- set mode = "/think" -%}{%- else -%}{%- set mode = "/think" if enable_thinking is not defined or enable_thinking else "/no_think" -%}{%- endif -%}{%- set custom = system.replace("/no_think", "").replace("/think", "").rstrip() -%}{%- endif -%}
{{- "Reasoning Mode: " ~ mode ~ "\n" -}}{%- if xml_tools or python_tools -%}### Tools{%- endif -%}
{%- for message in messages -%}{%- set content = message.content if message.content is string else "" -%}{%- if message.role == "user" -%}{{ "<|im_start|>" + message.role + "\n" + content + "<|im_end|>\n" }}{%- elif message.role == "assistant" -%}{% generation %}{%- if mode == "/think" -%}{{ "<|im_start|>assistant\n" + content.lstrip("\n") + "<|im_end|>\n" }}{%- else -%}{{ "<|im_start|>assistant\n<think>\n\n</think>\n" + content.lstrip("\n") }}{%- endif -%}{% endgeneration %}{%- endif -%}{%- endfor -%}""",
    "qwen2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content']}}{% if (loop.last and add_generation_prompt) or not loop.last %}{{ '<|im_end|>' + '\n'}}{% endif %}{% endfor %}",
    "qwen2.5": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- message.role + '\\n' + message.content }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- message.content }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
""",
    "qwen3": """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{{- ns.last_query_index }}{%- for m in messages %}{%- set c = m.content %}{%- if '</think>' in c %}{%- set r = c.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{{- r }}{%- endif %}{{- c }}{%- endfor %}""",
    "qwq": "{%- for message in messages %}{%- set content = message.content.split('</think>')|last %}{{- content.lstrip('\\n') }}{%- endfor %}",
    "qwen3-coder": """{% macro render_extra_keys(json_dict, handled_keys) %}
    {%- if json_dict is mapping %}
        {%- for json_key in json_dict if json_key not in handled_keys %}
            {%- if json_dict[json_key] is string %}{{-'\\n<' ~ json_key ~ '>' ~ json_dict[json_key] ~ '</' ~ json_key ~ '>' }}{%- else %}{{- '\\n<' ~ json_key ~ '>' ~ (json_dict[json_key] | tojson | safe) ~ '</' ~ json_key ~ '>' }}{%- endif %}
        {%- endfor %}
    {%- endif %}
{% endmacro %}
{%- for tool in tools or [] %}{{- render_extra_keys(tool.function, ['name']) }}{%- endfor %}
{%- for message in messages %}{%- for tool_call in message.tool_calls or [] %}{%- for args_name, args_value in tool_call.function.arguments|items %}{{- args_name ~ args_value|string }}{%- endfor %}{%- endfor %}{%- endfor %}""",
    "llama2": """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{{ content.strip() }}{% endfor %}""",
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}",
    "llama3.1": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = strftime_now("%Y") if strftime_now is defined else "2024" %}
{%- endif %}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- message['content'] | trim }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {{- message.tool_calls[0].function.arguments | tojson }}
    {%- endif %}
{%- endfor %}{{- date_string | length }}
""",
    "llama4": """{%- for message in messages %}{%- if message['content'] is string %}{{- message['content'] }}{%- else %}{%- for content in message['content'] %}{{- content['text'] }}{%- endfor %}{%- endif %}{%- for call in message.tool_calls %}{{- call.function.name + '(' -}}{%- for param in call.function.arguments %}{{- param + '="' -}}{{- "%s" | format(call.function.arguments[param]) -}}{{- '"' -}}{% if not loop.last %}, {% endif %}{%- endfor %}{{- ')' -}}{%- endfor %}{%- endfor %}""",
    "mistral-v1": "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token}}{% endif %}{% endfor %}",
    "mistral-v3": """{%- if messages[0]["role"] == "system" %}{%- set system_message = messages[0]["content"] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- for message in loop_messages | rejectattr("role", "equalto", "tool") | rejectattr("role", "equalto", "tool_results") | selectattr("tool_calls", "undefined") %}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) %}{{- raise_exception("must alternate") }}{%- endif %}
{%- endfor %}
{%- for message in loop_messages %}{%- if loop.last and system_message is defined %}{{- system_message + "\\n\\n" }}{%- endif %}{%- if message == user_messages[-1] %}{{- "LAST" }}{%- endif %}{{- message["content"]|string }}{%- endfor %}""",
    "mistral-nemo": """{%- for tool in tools or [] %}{%- set tool = tool.function %}{{- '{"type": "function", "function": {' }}{%- for key, val in tool.items() if key != "return" %}{%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}{%- if not loop.last %}{{- ", " }}{%- endif %}{%- endfor %}{{- "}}" }}{%- endfor %}{%- for m in messages %}{{- (m|tojson)[:-1] }}{%- endfor %}""",
    "mistral-small3": """{%- set today = strftime_now("%Y") %}{%- set default = "Today is " + today ~ "." %}{%- if messages[0]['role'] == 'system' %}{%- if messages[0]['content'] is string %}{%- set system = messages[0]['content'] %}{%- else %}{%- set system = messages[0]['content'][0]['text'] %}{%- endif %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set system = default %}{%- set loop_messages = messages %}{%- endif %}{{- '[SYSTEM_PROMPT]' + system + '[/SYSTEM_PROMPT]' }}{%- for m in loop_messages %}{%- if m['role'] in ['user', 'tool'] %}{{- m['content'] }}{%- endif %}{%- endfor %}""",
    "magistral": "{%- for m in messages %}{%- if m.role == 'assistant' and m.reasoning_content is defined %}{{- '[THINK]' + m.reasoning_content + '[/THINK]' }}{%- endif %}{{- m.content }}{{- eos_token if m.role == 'assistant' }}{%- endfor %}",
    "mixtral": "{{bos_token}}{% for message in messages %}{{ message['content'] ~ (eos_token if message['role'] == 'assistant' else '') }}{% endfor %}",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if message['role'] != ('assistant' if loop.index0 % 2 else 'user') %}{{ raise_exception('no turn of ' + message['role']) }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}",
    "gemma3": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {{ '<start_of_turn>' + message['role'] + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is iterable and message['content'] is not string -%}{%- for item in message['content'] -%}{{ item['text'] | trim }}{%- endfor -%}{%- else -%}{{ message['content'] | trim }}{%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
""",
    "function-gemma": "{%- for tool in tools or [] -%}{%- for key, value in tool.function.parameters.properties | dictsort -%}{{ key }}:{{ value['type'] | upper }},{%- endfor -%}{%- endfor -%}",
    "gemma4": """{%- macro strip_thinking(text) -%}{%- set ns = namespace(result='') -%}{%- for part in text.split('<channel|>') -%}{%- if '<|channel>' in part -%}{%- set ns.result = ns.result + part.split('<|channel>')[0] -%}{%- else -%}{%- set ns.result = ns.result + part -%}{%- endif -%}{%- endfor -%}{{- ns.result | trim -}}{%- endmacro -%}{%- for m in messages %}{{ strip_thinking(m['content']) }}{%- endfor %}{{ enable_thinking | default(false) }}""",
    "phi3": "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    "phi4": "{% for message in messages %}{% if (message['role'] == 'system') %}{{'<|im_start|>system<|im_sep|>' + message['content'] + '<|im_end|>'}}{% elif (message['role'] == 'user') %}{{'<|im_start|>user<|im_sep|>' + message['content'] + '<|im_end|>'}}{% endif %}{% endfor %}",
    "phi4-mini": "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}{{ message['tools'] }}{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}",
    "granite3": """{%- set loop_messages = messages %}
{%- if tools and not documents %}A{%- elif documents and not tools %}B{%- else %}C{%- endif %}
{%- if 'length' in (controls or {}) %}{{ controls['length'] }}{%- endif %}
{%- for message in loop_messages %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>
' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
            {%- if controls %}{{- ' ' + controls | tojson()}}{%- endif %}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}""",
    "granite4": "{%- set tools_system = 'T' %}{%- set ns = namespace(tools='', documents='') %}{%- if tools %}{%- for tool in tools %}{%- set ns.tools = ns.tools + '\n' + (tool | tojson) %}{%- endfor %}{%- endif %}{%- for m in messages %}{%- if m.content is string %}{{- m.content }}{%- elif m.content is iterable %}{%- for e in m.content %}{{- e.text if e.type == 'text' }}{%- endfor %}{%- endif %}{%- endfor %}{{- ns.tools.strip() }}",
    "command-r": "{{ bos_token }}{% if messages[0]['role']|lower == 'system' %}{% set system = messages[0]['content'] %}{% endif %}{%- macro document_turn(documents) -%}{# comment #}{% for doc in documents %}{{ doc|tojson }}{% endfor %}{%- endmacro %}{%- for message in messages %}{%- if message.role|lower == 'tool' %}{%- for msg in messages[loop.index0:] %}{%- if msg.role|lower == 'tool' %}{{ msg.content|tojson }}{%- else %}{%- break %}{%- endif %}{%- endfor %}{%- else %}{{ message.content }}{%- endif %}{%- endfor %}",
    "gpt-oss": """{%- macro render_typescript_type(spec, required) -%}
    {%- if spec.type == "array" -%}{{- render_typescript_type(spec['items'], required) + "[]" }}
    {%- elif spec.type is defined and spec.type is iterable and spec.type is not string and spec.type is not mapping and spec.type[0] is defined -%}{{- spec.type | join(" | ") }}
    {%- elif spec.enum -%}{{- '"' + spec.enum|join('" | "') + '"' -}}
    {%- elif spec.type == "object" -%}{{- "{\\n" }}{%- for name, prop in (spec.properties or {}).items() -%}{{- name -}}{%- if name not in (spec.required or []) %}{{- "?" }}{%- endif -%}{{- ": " }}{{ render_typescript_type(prop, spec.required or []) }}{%- if not loop.last %}{{-", " }}{%- endif -%}{%- endfor -%}{{- "}" }}
    {%- else -%}{{- spec.type | default("any") }}{%- endif -%}
{%- endmacro -%}
{%- for tool in tools or [] %}{{- render_typescript_type(tool.function.parameters, []) }}{%- endfor %}
{%- set last_tool_call = namespace(name=none) %}{%- for message in messages -%}{%- if loop.last and not add_generation_prompt %}E{%- endif %}{{- message.content }}{%- endfor -%}""",
    "deepseek-r1": "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endfor %}",
    "deepseek-v3": "{%- for m in messages %}{%- for tool in m['tool_calls'] or [] %}{{ '```json' + '\n' + (tool['function']['arguments'] if tool['function']['arguments'] is string else tool['function']['arguments']|tojson) + '\n```' }}{%- endfor %}{%- endfor %}",
    "glm4": "[gMASK]<sop>\n{%- if tools -%}\n{% for tool in tools %}{{ tool | tojson(ensure_ascii=False) }}{% endfor %}{%- endif -%}{%- for m in messages -%}<|{{ m.role }}|>\n{{ m.content }}{%- endfor -%}{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "glm4.5": """{%- macro visible_text(content) -%}{%- if content is string -%}{{- content }}{%- elif content is iterable and content is not mapping -%}{%- for item in content -%}{%- if item is mapping and item.type == 'text' -%}{{- item.text }}{%- elif item is string -%}{{- item }}{%- endif -%}{%- endfor -%}{%- else -%}{{- content }}{%- endif -%}{%- endmacro -%}
{%- set ns = namespace(last_user_index=-1) %}{%- for m in messages %}{%- if m.role == 'user' %}{% set ns.last_user_index = loop.index0 -%}{%- endif %}{%- endfor %}{% for m in messages %}{{ visible_text(m.content) }}{{- '/nothink' if (enable_thinking is defined and not enable_thinking and not visible_text(m.content).endswith("/nothink")) else '' -}}{% for tc in m.tool_calls or [] %}{% set _args = tc.function.arguments %}{% for k, v in _args.items() %}<arg_key>{{ k }}</arg_key><arg_value>{{ v | tojson(ensure_ascii=False) if v is not string else v }}</arg_value>{% endfor %}{% endfor %}{% endfor %}{{ ns.last_user_index }}""",
    "minimax-m2": "{%- macro render_tool_namespace(tool_list) -%}{%- for tool in tool_list -%}<tool>{{ tool.function | tojson(ensure_ascii=False) }}</tool>{% endfor -%}{%- endmacro -%}{{ render_tool_namespace(tools or []) }}{% for m in messages %}{{ m.content.split('</think>')[0].strip('\\n').split('<think>')[-1].strip('\\n') }}{% endfor %}",
    "kimi-k2": "{%- if tools -%}<|im_system|>tool_declare<|im_middle|>{{ tools | tojson(separators=(',', ':')) }}<|im_end|>{%- endif -%}{%- for message in messages -%}{%- if loop.first and messages[0]['role'] != 'system' -%}S{%- endif -%}{% set role_name = message.get('name') or message['role'] %}{{ role_name }}{{ message['content'] }}{%- endfor -%}",
    "lfm2": "{{- bos_token -}}{%- set system_prompt = '' -%}{%- set ns = namespace(system_prompt='') -%}{%- if tools -%}{%- for tool in tools -%}{%- if tool is not string -%}{%- set tool = tool | tojson -%}{%- endif -%}{%- set ns.system_prompt = ns.system_prompt + tool -%}{%- endfor -%}{%- endif -%}{{ ns.system_prompt }}{%- for m in messages -%}{{ m['content'] }}{%- endfor -%}",
    "lfm2.5": "{%- for message in messages -%}{%- if message.role == 'assistant' -%}{%- generation -%}{{- message.content -}}{%- if message.tool_calls is defined -%}{{ message.tool_calls | map(attribute='function') | map(attribute='name') | join(', ') }}{%- endif -%}{%- endgeneration -%}{%- else -%}{{ message.get('content') }}{%- endif -%}{%- endfor -%}",
    "exaone3.5": "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}{{ '[|system|][|endofturn|]\n' }}{% endif %}{{ '[|' + message['role'] + '|]' + message['content'] }}{% if message['role'] == 'user' %}{{ '\n' }}{% else %}{{ '[|endofturn|]\n' }}{% endif %}{% endfor %}",
    "exaone-deep": "{% for m in messages %}{% set content = m.content %}{% if '</thought>' in content %}{% set content = content.split('</thought>')[-1].lstrip('\\n') %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '[|assistant|]<thought>\n' }}{% endif %}",
    "exaone4": """{%- set role_indicators = {'user': '[|user|]\\n', 'assistant': '[|assistant|]\\n', 'system': '[|system|]\\n', 'tool': '[|tool|]\\n'} %}{%- set ns = namespace(last=messages|length - 1) %}{%- for i in range(messages | length) %}{%- set msg = messages[i] %}{{- role_indicators[msg.role] }}{%- if msg.content %}{{- msg.content.strip() }}{%- endif %}{%- endfor %}""",
    "olmo2": "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n' + message['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n' + message['content'] + eos_token }}{% endif %}{% else %}{{ '<|' ~ message['role'] ~ '|>\n' ~ message['content'] ~ '\n' }}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}",
    "olmo3": "{%- set has_system = messages|selectattr('role', 'equalto', 'system')|list|length > 0 -%}{%- if not has_system -%}S{%- endif -%}{%- for message in messages -%}{%- if message.get('functions', none) is not none -%}{{ message['functions'] }}{%- endif -%}{{ message['content'] }}{%- endfor -%}",
    "stablelm": "{% for message in messages %}{% if (message['role'] == 'system') or true %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}{% endif %}{% endfor %}",
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "falcon3": "{%- if tools %}{{- '<|system|>\\n' }}{%- endif %}{% for message in messages %}{%- if message['role'] == 'user' %}{{ 'User: \n' + message['content']|trim }}{%- else %}{{ message['content'].strip() }}{%- endif %}{% if not loop.last %}{{ '\n' }}{% endif %}{% endfor %}",
    "internlm2": "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' ~ message['role'] ~ '\n' ~ message['content'] ~ '<|im_end|>' ~ '\n'}}{% endfor %}",
    "minicpm": "{% for message in messages %}{% if message['role'] == 'user' %}{{'<用户>' + message['content'].strip() + '<AI>'}}{% else %}{{message['content'].strip()}}{% endif %}{% endfor %}",
    "hunyuan": "{% set context = {'has_head': true} %}{% for message in messages %}{% set content = message['content'] %}{% if loop.index0 == 0 and content == '' %}{% set _ = context.update({'has_head': false}) %}{% endif %}{{ content }}{% endfor %}",
    "ernie": "{%- if not add_generation_prompt is defined -%}{%- set add_generation_prompt = true -%}{%- endif -%}{%- if not cls_token is defined -%}{%- set cls_token = '<|begin_of_sentence|>' -%}{%- endif -%}{{- cls_token -}}{%- for message in messages -%}{{- message['role']|title + ': ' + message['content'] + '\\n' -}}{%- endfor -%}",
    "seed-oss": "{%- macro py_type(t) -%}{%- if t == 'string' -%}str{%- elif t in ('number', 'integer') -%}int{%- else -%}Any{%- endif -%}{%- endmacro -%}{%- for tool in tools or [] -%}{%- for n, p in tool.function.parameters.properties.items() -%}{{ n }}: {{ py_type(p.type) }}{{ ' = ' ~ p.default if p.default is defined }}{%- endfor -%}{%- endfor -%}",
    "nemotron": "{%- set ns = namespace(enable_thinking=true) -%}{%- for message in messages -%}{%- set content = message['content'] -%}{%- if message['role'] == 'user' or message['role'] == 'system' -%}{%- if '/think' in content.replace('</think>', '') -%}{%- set ns.enable_thinking = true -%}{%- elif '/no_think' in content -%}{%- set ns.enable_thinking = false -%}{%- endif -%}{%- endif -%}{%- endfor -%}{{ ns.enable_thinking }}{{ messages | map(attribute='content') | map('trim') | join('|') }}",
    "starcoder2": "{{ messages|tojson(indent=2, sort_keys=True) }}\n",
    "openchat": "{% for message in messages %}{{ 'GPT4 Correct ' + message['role'].title() + ': ' + message['content'] + '<|end_of_turn|>'}}{% endfor %}",
    "yi": "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% endif %}{% if system_message is defined %}{{ system_message }}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ message['content'] }}{% else %}{% continue %}{% endif %}X{% endfor %}",
    "solar": "{% for message in messages %}{% if message.role == 'user' %}{{ '### User:\n' ~ message.content ~ '\n\n' }}{% endif %}{% endfor %}\n\n",
    "jamba": "{%- set loop_messages = messages -%}{%- set tools_json = tools | tojson if tools else '' -%}{{ tools_json | length }}{%- for m in loop_messages recursive -%}{{ m.content | replace('e', 'E', 2) }}{{ loop.revindex }}{{ loop.previtem.role if loop.previtem is defined }}{{ loop.cycle('a', 'b') }}{%- endfor -%}",
    "baichuan": "{{ messages | groupby('role') | map('first') | list | length }}{{ messages | map(attribute='role') | unique | sort | join(',') }}{{ (messages | last).content | wordcount }}",
    "constructs": """{%- set d = dict(a=1, b=[1, 2]) %}{%- set x, y = 1, 2 %}{{ d['b'][::-1] }}{{ d.items() | list | length }}{{ 'A-b'.lower().title().split('-', 1) }}{{ '%05.2f|%s' % (1.5, 'x') }}{{ '{:>5}'.format('a') }}{{ 'aXbX'.replace('X', '', 1) }}{{ ' x '.strip() ~ 5 ~ none ~ true }}{{ [1, 2, 3] | sum }}{{ 7 // 2 }}{{ 2 ** 3 }}{{ 'a' in 'abc' and 3 not in [1] }}{{ undefined_thing }}{{ undefined_thing is defined }}{{ [] or 'empty' }}{{ 'abc'[1:] }}{{ 'é' | tojson }}{{ {'k': 'é<&>'} | tojson(ensure_ascii=True) }}
{% call(item) wrap() %}[{{ item }}]{% endcall %}{% filter upper %}loud{% endfilter %}{% with z = 3 %}{{ z }}{% endwith %}{% raw %}{{ raw }}{% endraw %}{{ x + y }}{% for i in range(3) if i %}{{ i }}{% else %}none{% endfor %}
""".replace("{%- set d", "{% macro wrap() %}{{ caller('in') }}{% endmacro %}{%- set d"),
}
