"""Forefront itself: how to serve it, call it and stop it."""

from training.dialogues.dialogue import Dialogue, says, user
from training.dialogues.side import Side
from training.dialogues.wordings import how_to, polite

AREA = "Forefront itself"

_FACTS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (("What is Forefront?", "Tell me about Forefront.", "Explain Forefront.", "What does Forefront do?", "Can you describe Forefront?", "What is this platform?", "What can Forefront do?", "Explain what Forefront is.", "Tell me what Forefront is.", "What is Forefront for?", "What is the Forefront platform?", "Describe Forefront.", "Tell me more about Forefront.", "What exactly is Forefront?"),
     "Forefront is a chat-completions platform that anyone can run. It serves open models behind an API that OpenAI clients understand.", ("chat-completions",)),
    ((*how_to("start the server", "start Forefront", "run the server", "launch Forefront", "run Forefront", "launch the server", "start serving"), "How do I start the server?", "How do I start Forefront?", "How can I run the server?", "How do I serve a model?", "Which command starts the server?", "How do I launch Forefront?", "How do I run Forefront?"),
     "Run `forefront serve`. It serves the built-in model on port 8000.", ("forefront serve",)),
    ((*how_to("serve my own model", "serve a larger model", "serve a bigger model", "load a GGUF file", "serve a GGUF file", "run a bigger model", "use another model"), "How do I serve my own model?", "How do I serve a larger model?", "Can I use another model?", "How do I load a GGUF file?", "How do I run a bigger model?", "How can I serve a GGUF model?"),
     "Run `forefront serve PATH` with the path of a GGUF file or of an OpenVINO directory.", ("forefront serve PATH",)),
    ((*how_to("get a key", "make a key", "get an API key", "create a key", "find the key", "make an API key", "create an API key"), "How do I get a key?", "Where is my API key?", "How do I make a key?", "Where do I find the key?", "How do I get an API key?", "How can I create a key?", "Where does the key come from?"),
     "The server prints a key at its first start. To choose your own, set FOREFRONT_API_KEY before you start it.", ("FOREFRONT_API_KEY",)),
    ((*how_to("stream", "stream an answer", "stream tokens", "use streaming", "get the answer piece by piece", "get a stream"), "How do I stream?", "How do I stream an answer?", "How can I stream tokens?", "How does streaming work?", "Can you stream the answer?", "How do I get the answer piece by piece?"),
     "Send `stream: true` with the request. The answer then arrives as server-sent events and ends with `[DONE]`.", ("stream", "[DONE]")),
    ((*how_to("stop the server", "shut down Forefront", "stop Forefront", "end the server", "quit the server", "shut down the server"), "How do I stop the server?", "How do I shut down Forefront?", "How can I stop Forefront?", "How do I end the server?", "How do I quit the server?", "What stops the server?"),
     "Press Ctrl-C. The server finishes the running requests and then exits.", ("Ctrl-C",)),
    ((*how_to("use a stop string", "use the stop parameter", "stop the answer at a word", "end an answer at a word", "set a stop string", "use stop"), "How do I use a stop string?", "How do I stop the answer at a word?", "What does the stop parameter do?", "How does stop work?", "How can I end an answer early?", "What is stop?"),
     "Send `stop` with a string or a list of strings. The answer ends before the first of them.", ("`stop`",)),
    ((*how_to("change the port", "use another port", "set the port", "listen on another port", "serve on another port", "choose the port"), "How do I change the port?", "Which port does the server use?", "How can I use another port?", "How do I listen on another port?", "What is the port?", "Can I set the port?"),
     "The server listens on port 8000. Set PORT, or use `forefront serve --port 9000`, to change it.", ("8000", "PORT")),
    ((*how_to("use Python", "call it from Python", "use Forefront in Python", "use the Python client", "use it with Python", "write a Python client"), "How do I use Python?", "How do I call it from Python?", "Is there a Python client?", "How does the Python client work?", "How can I use Forefront in Python?", "Show me the Python client."),
     "Use `from forefront import ForefrontClient`, then call `chat.completions.create` on a client made with your key.", ("ForefrontClient",)),
    ((*how_to("use Node", "call it from Node", "call it from JavaScript", "use Forefront in Node", "use the Node client", "use TypeScript"), "How do I use Node?", "Is there a Node client?", "How do I call it from JavaScript?", "How do I use Forefront in Node?", "How does the Node client work?", "Can I use TypeScript?"),
     'Use `import Forefront from "forefront"`, then `await client.chat.completions.create` with your messages.', ("import Forefront",)),
    ((*how_to("use the OpenAI client", "use the openai package", "use my OpenAI code", "call it with the OpenAI client", "keep my OpenAI client"), "Can I use the OpenAI client?", "Does the OpenAI package work?", "Does it work with OpenAI clients?", "How do I use the openai package?", "Is Forefront compatible with OpenAI?", "Can I keep my OpenAI code?"),
     "Yes. Set the base URL of the OpenAI client to your server with /v1 at the end, and use your Forefront key.", ("base URL", "/v1")),
    ((*how_to("find the files of Forefront", "change the folder of Forefront", "see where files are kept", "find the cache", "set FOREFRONT_HOME"), "Where does Forefront keep its files?", "Where are the files stored?", "Where is the cache?", "What is FOREFRONT_HOME?", "Where are converted models kept?", "Which folder does it use?"),
     "Forefront keeps its files in the folder that FOREFRONT_HOME names, ~/.forefront by default.", ("FOREFRONT_HOME",)),
    ((*how_to("chat in the terminal", "chat without code", "talk to the model in a terminal", "chat on the command line", "chat from the command line"), "How do I chat in the terminal?", "Can I chat without code?", "How do I talk to the model in a terminal?", "Is there a command to chat?", "How do I chat on the command line?"),
     "Run `forefront chat` while a server is running.", ("forefront chat",)),
    ((*how_to("list the models", "see the models", "list all models", "get the list of models", "see which models are served"), "How do I list the models?", "Which models are served?", "How do I see the models?", "What is the route for models?", "How can I list all models?"),
     "Ask `GET /v1/models` with your key. It lists every model that is served.", ("/v1/models",)),
    ((*how_to("limit the length of an answer", "get shorter answers", "limit the tokens", "set the length of an answer", "use max_tokens", "set max_tokens"), "How do I limit the length of an answer?", "What does max_tokens do?", "How do I get shorter answers?", "How can I limit the tokens?", "How do I set the length?"),
     "Send `max_tokens` with the request. The answer then has at most that many tokens.", ("max_tokens",)),
    ((*how_to("check that the server is alive", "check health", "see that it is ready", "check the health of the server", "know that the server is ready"), "How do I check that the server is alive?", "Is there a health route?", "How do I check health?", "How do I know that it is ready?", "Which route shows that it is ready?"),
     "`GET /health` says that the server is alive, and `GET /ready` that it can generate a token.", ("/health", "/ready")),
)  # fmt: skip


def make(side: Side) -> Dialogue:
    """A question that the documentation answers."""
    questions, answer, words = side.choice(_FACTS)
    return Dialogue(AREA, [user(polite(side, side.pick(questions)))], answer, says(*words))
