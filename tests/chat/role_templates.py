"""Chat templates with the checks and the omissions of real ones: which orders of roles they refuse, and what they leave
out."""

from typing import Final

_LATER: Final = "{% if m.role == 'system' and not loop.first %}{{ raise_exception('late system') }}{% endif %}"
_CALLS: Final = """[TOOL_CALLS] [{% for call in m.tool_calls %}{"name": "{{ call.function.name }}", "arguments": \
{{ call.function.arguments | tojson }}, "id": "{{ call.id }}"}{% endfor %}]</s>"""
_SHORT: Final = "{% if m.tool_call_id | length != 9 %}{{ raise_exception('no id of nine') }}{% endif %}"
# The turns of the user and of the assistant without calls.
_TURNS: Final = """{% set turns = namespace(count=0) %}{% for m in messages %}\
{% if m.role == 'user' or (m.role == 'assistant' and not m.tool_calls) %}\
{% if m.role != ('user', 'assistant')[turns.count % 2] %}{{ raise_exception('no turn of ' + m.role) }}{% endif %}\
{% set turns.count = turns.count + 1 %}{% endif %}{% endfor %}"""
_TOOLS: Final = "{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
_RESULT: Final = "[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]"

ROLE_TEMPLATES: Final = {
    # Only calls beside calls; the system text before a last message of the user; tools before messages like the last.
    "nemo": f"""{_TURNS}{{% set asked = messages | selectattr('role', 'equalto', 'user') | list %}}\
{{% for m in messages %}}{_LATER}\
{{% if m.role == 'user' %}}\
{{% if tools and m == asked[-1] %}}[AVAILABLE_TOOLS]{{{{ tools | tojson }}}}[/AVAILABLE_TOOLS]{{% endif %}}\
[INST]{{% if loop.last and messages[0].role == 'system' %}}{{{{ messages[0].content }}}} {{% endif %}}\
{{{{ m.content }}}}[/INST]\
{{% elif m.tool_calls %}}{_CALLS}{{% elif m.role == 'assistant' %}}{{{{ m.content }}}}</s>\
{{% elif m.role == 'tool' %}}{_SHORT}{_RESULT}{{% endif %}}{{% endfor %}}""",
    # Only calls beside calls.
    "small": f"""{_TURNS}{_TOOLS}{{% for m in messages %}}{_LATER}\
{{% if m.role == 'system' %}}[SYSTEM_PROMPT]{{{{ m.content }}}}[/SYSTEM_PROMPT]\
{{% elif m.role == 'user' %}}[INST]{{{{ m.content }}}}[/INST]\
{{% elif m.tool_calls %}}{_CALLS}{{% elif m.role == 'assistant' %}}{{{{ m.content }}}}</s>\
{{% else %}}{_RESULT}{{% endif %}}{{% endfor %}}""",
    # Text and calls; no answer without text.
    "ministral": f"""{_TURNS}{_TOOLS}{{% for m in messages %}}{_LATER}\
{{% if m.role == 'system' %}}[SYSTEM_PROMPT]{{{{ m.content }}}}[/SYSTEM_PROMPT]\
{{% elif m.role == 'user' %}}[INST]{{{{ m.content }}}}[/INST]\
{{% elif m.role == 'assistant' %}}\
{{% if not m.content and not m.tool_calls %}}{{{{ raise_exception('empty answer') }}}}{{% endif %}}\
{{{{ m.content }}}}{{% if m.tool_calls %}}{_CALLS}{{% endif %}}\
{{% else %}}{_RESULT}{{% endif %}}{{% endfor %}}""",
    # No system message, no calls, no results, and no message out of turn.
    "gemma": """{% for m in messages %}\
{% if m.role != ('user', 'assistant')[loop.index0 % 2] %}{{ raise_exception('no turn of ' + m.role) }}{% endif %}\
<start_of_turn>{{ m.role }} {{ m.content }}<end_of_turn>{% endfor %}""",
    # The system text in the first message of the user, and no message out of turn.
    "llama2": """{% set first = messages[0].role == 'system' %}{% for m in (messages[1:] if first else messages) %}\
{% if m.role != ('user', 'assistant')[loop.index0 % 2] %}{{ raise_exception('no turn of ' + m.role) }}{% endif %}\
{% if m.role == 'user' %}[INST] {% if first and loop.first %}<<SYS>>{{ messages[0].content }}<</SYS>>{% endif %}\
{{ m.content }} [/INST]{% else %}{{ m.content }}</s>{% endif %}{% endfor %}""",
    # A question is needed, and the only system message begins.
    "qwen3.5": f"""{_TOOLS}{{% if not messages | selectattr('role', 'equalto', 'user') | list %}}\
{{{{ raise_exception('no question') }}}}{{% endif %}}\
{{% set last = namespace(user=-1) %}}\
{{% for m in messages %}}{{% if m.role == 'user' %}}{{% set last.user = loop.index0 %}}{{% endif %}}{{% endfor %}}\
{{% for m in messages %}}{_LATER}<|im_start|>{{{{ m.role }}}}
{{% if m.reasoning_content and loop.index0 > last.user %}}<think>{{{{ m.reasoning_content }}}}</think>{{% endif %}}\
{{{{ m.content }}}}\
{{% for call in m.tool_calls or [] %}}<tool_call>
{{"name": "{{{{ call.function.name }}}}", "arguments": {{{{ call.function.arguments | tojson }}}}}}
</tool_call>{{% endfor %}}<|im_end|>{{% endfor %}}""",
    # Only calls beside calls, in any order.
    "llama3.1": """{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}\
<|start_header_id|>{{ m.role }}<|end_header_id|>\
{% if m.tool_calls %}{% for call in m.tool_calls %}{"name": "{{ call.function.name }}", "parameters": \
{{ call.function.arguments | tojson }}}{% endfor %}<|python_tag|>{% else %}{{ m.content }}{% endif %}\
<|eot_id|>{% endfor %}""",
}
