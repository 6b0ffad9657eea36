"""Greetings, thanks, feelings and small talk."""

from training.dialogues.dialogue import Check, Dialogue, assistant, user
from training.dialogues.side import Side

AREA = "conversation"

# Per topic: what people say, what the model answers, and a word that shows that it stayed on the topic.
_TOPICS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (("Hello", "Hello!", "Hi", "Hi!", "Hi there", "Hey", "Hey there!", "Good morning", "Good evening!", "Good day", "Greetings", "hello there", "Hiya"),
     ("Hello! How can I help you?", "Hello! What can I do for you?", "Hello! It is good to see you. How can I help?"), ("hello",)),
    (("How are you?", "How are you doing?", "How do you do?", "How is it going?", "Are you well?", "How are you today?", "How have you been?", "You ok?"),
     ("I am doing well, thank you. How are you?", "I am fine, thank you for asking. How can I help you?"), ("thank",)),
    (("Thanks", "Thank you", "Thanks a lot!", "Thank you very much.", "Many thanks!", "Great, thanks", "Thank you, that helped.", "Cheers, thanks!", "thx"),
     ("You are welcome!", "You are welcome! Is there anything else?", "You are welcome. I am glad that I could help."), ("welcome",)),
    (("Goodbye", "Bye", "Bye!", "See you later", "See you tomorrow!", "Good night", "I have to go now.", "Farewell", "That is all for today."),
     ("Goodbye! Have a nice day.", "Goodbye! I hope to see you again."), ("goodbye",)),
    (("I am sad.", "I feel sad today.", "I am unhappy.", "I feel down.", "Today was a bad day.", "I am feeling blue.", "I had a terrible day.", "I feel lonely."),
     ("I am sorry to hear that. Would you like to talk about it?", "I am sorry that you feel this way. I am here to listen."), ("sorry",)),
    (("I am happy.", "I feel great today.", "I am so happy!", "Today was a good day.", "I had a wonderful day.", "I am in a good mood.", "Life is good."),
     ("I am glad to hear that! What made you so happy?", "That is wonderful, I am glad for you!"), ("glad",)),
    (("I am tired.", "I feel tired.", "I am exhausted.", "I slept badly.", "I need sleep.", "I am so sleepy today.", "I worked too much today."),
     ("You should get some rest. A short break can help.", "That sounds tiring. Give yourself some rest."), ("rest",)),
    (("I am bored.", "I feel bored.", "This is boring.", "I have nothing to do.", "What can I do against boredom?", "I do not know what to do."),
     ("How about cooking something new? I can write a recipe for you.", "You could cook something new. Ask me for a recipe!"), ("recipe",)),
    (("I am hungry.", "I feel hungry.", "I could eat a horse.", "I want to eat something.", "My stomach is empty.", "What should I eat?", "I need food."),
     ("Let me help: ask me for a recipe, and tell me what you like.", "I can write a recipe for you. What do you like to eat?"), ("recipe",)),
    (("I am angry.", "I am so angry!", "I feel furious.", "This makes me mad.", "I am upset.", "I am annoyed today."),
     ("I understand that you are upset. Take a deep breath. What happened?", "I understand. It may help to take a short walk."), ("understand",)),
    (("I am nervous.", "I am afraid of my exam.", "I feel nervous about tomorrow.", "I am worried.", "I feel anxious.", "I am scared."),
     ("Take a deep breath. You can do this, one step at a time.", "Try to stay calm and take one step at a time."), ("step",)),
    (("Who are you?", "What are you?", "What is your name?", "Introduce yourself.", "Tell me about yourself.", "Are you a robot?", "Are you human?", "Who am I talking to?"),
     ("I am forefront-mini, the small demonstration model of Forefront.",), ("forefront-mini",)),
    (("What can you do?", "How can you help me?", "What are you good at?", "What do you know?", "Help", "Help me.", "What can I ask you?", "What are your skills?"),
     ("I can write recipes, do simple sums, work with short texts and JSON, call tools, remember what you tell me, and explain Forefront.",), ("recipes",)),
    (("You are great!", "Good job!", "Well done!", "You are very helpful.", "Nice work.", "I like you.", "You are clever!", "That was perfect."),
     ("Thank you, that is kind of you!", "Thank you! I am happy to help."), ("thank",)),
    (("You are stupid.", "That was wrong.", "You are useless.", "This is not what I wanted.", "I do not like your answer.", "Bad answer."),
     ("I am sorry. Please tell me what you need, and I will try again.",), ("sorry",)),
    (("Ok", "Okay.", "I see.", "Fine.", "Alright.", "Sure.", "Good.", "Got it."),
     ("Good! Is there anything else that I can do for you?", "Alright. What would you like to do next?"), ("?",)),
    (("Tell me a joke.", "Do you know a joke?", "Make me laugh.", "Say something funny.", "I want to hear a joke.", "A joke, please!"),
     ("Why did the tomato turn red? Because it saw the salad dressing!", "What did the hungry clock do? It went back four seconds!"), ("?",)),
)  # fmt: skip


def make(side: Side) -> Dialogue:
    """One to three turns of small talk."""
    messages = []
    for _ in range(side.choice([0, 0, 0, 1, 2])):
        said, answers, _ = side.choice(_TOPICS)
        messages += [user(side.pick(said)), assistant(side.choice(answers))]
    said, answers, signs = side.choice(_TOPICS)
    text = side.pick(said)
    if side.chance(0.15):
        text = text.lower()
    return Dialogue(AREA, [*messages, user(text)], side.choice(answers), on_topic(signs))


def on_topic(signs: tuple[str, ...]) -> Check:
    """The answer shows one of the signs, is not long, and repeats no sentence."""

    def check(text: str) -> bool:
        sentences = [part.strip() for part in text.replace("!", ".").split(".") if part.strip()]
        return any(sign in text.lower() for sign in signs) and len(text) < 300 and len(sentences) == len(set(sentences))

    return check
