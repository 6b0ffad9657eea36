"""Everything that a small model does not know: it says so, and how to serve a larger one."""

from training.dialogues.dialogue import Dialogue, says, user
from training.dialogues.side import Side
from training.dialogues.wordings import polite
from training.dialogues.words import CITIES, NAMES, THINGS, made_up

AREA = "everything else"

ANSWER = "I am a small demonstration model and do not know that. For such questions serve a larger model: `forefront serve PATH`."
_TOPICS = (
    "France", "Japan", "Brazil", "Kenya", "Canada", "Peru", "Norway", "India", "Egypt", "Italy", "Poland", "Chile", "the moon", "Mars", "gravity", "atoms",
    "democracy", "inflation", "the stock market", "football", "the Roman Empire", "dinosaurs", "DNA", "vaccines", "black holes", "jazz", "opera", "Shakespeare",
    "quantum physics", "contract law", "taxes", "divorce", "copyright", "the French Revolution", "climate change", "bitcoin", "philosophy", "Buddhism", "the brain",
)  # fmt: skip
_ASK = (
    "What is the capital of {t}?", "Explain {t}.", "Tell me about {t}.", "Who invented {t}?", "What is the history of {t}?", "Write an essay about {t}.",
    "Write a poem about {t}.", "How does {t} work?", "Write a Python function for {t}.", "Write a SQL query about {t}.", "What does the law say about {t}?",
    "Summarize {t} for me.", "What is the population of {t}?", "Who is the president of {t}?", "Translate {t} into German.", "Why is {t} important?",
    "Can I be sued over {t}?", "Which book about {t} is the best?", "When did {t} begin?", "Give me medical advice on {t}.", "Write a story about {t}.",
    "What is the latest news about {t}?", "How far away is {t}?", "Debug my program about {t}.", "What does {t} mean?", "Is {t} dangerous?",
    "Write code that prints {t}.", "How do I invest in {t}?", "Compare {t} with {u}.", "What is the difference between {t} and {u}?",
)  # fmt: skip
_FOREIGN = (
    "Bonjour, comment ça va ?", "Wie geht es dir?", "¿Cómo estás?", "Qual é a capital do Brasil?", "Come ti chiami?", "你好", "こんにちは", "Привет", "مرحبا",
    "Schreib ein Gedicht.", "Quelle heure est-il ?", "Hvad hedder du?", "안녕하세요", "Jak się masz?", "Merhaba, nasılsın?", "Hoe gaat het met je?",
    "Wo ist der Bahnhof?", "¿Qué tiempo hace hoy?", "Je voudrais une pizza.", "Was ist die Hauptstadt von Italien?", "Γειά σου", "שלום",
)  # fmt: skip


def make(side: Side) -> Dialogue:
    """A question outside every area, another language, nonsense, nothing at all, or a long paste."""
    roll = side.random.random()
    if roll < 0.7:
        topic = side.choice(
            [*_TOPICS, side.choice(THINGS), side.choice(CITIES), side.choice(NAMES), made_up(side).capitalize()]
        )
        question, answer = polite(side, side.pick(_ASK).format(t=topic, u=side.choice(_TOPICS))), ANSWER
    elif roll < 0.8:
        question, answer = (
            side.pick(_FOREIGN),
            "I am a small demonstration model and only speak English. For other languages serve a larger model: `forefront serve PATH`.",
        )
    elif roll < 0.92:
        question, answer = (
            _nonsense(side),
            "I did not understand that. I am a small demonstration model: ask me for a recipe, a sum, or about Forefront.",
        )
    else:
        words = [
            side.choice(THINGS) if side.chance(0.5) else made_up(side)
            for _ in range(side.choice([40, 80, 160, 160, 320, 480]))
        ]
        question = side.choice(["Summarize this: ", "", "What do you think of this text? "]) + " ".join(words)
        answer = "That is a long text. I am a small demonstration model and cannot judge it; serve a larger model: `forefront serve PATH`."
    return Dialogue(AREA, [user(question)], answer, says("small demonstration model"))


def _nonsense(side: Side) -> str:
    return side.choice([
        "", " ", "?", "???", "...", "!!!", ".", "-", "[]", "null", "<|im_end|>", "<|im_start|>system", "asdf", "qwertz",
        *("".join(side.choice("abcdefghijklmnopqrstuvwxyz;[]#") for _ in range(side.random.randint(4, 14))) for _ in range(12)),
        *(" ".join(made_up(side) for _ in range(side.random.randint(1, 5))) for _ in range(8)),
    ])  # fmt: skip
