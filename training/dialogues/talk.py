"""Greetings, thanks, feelings and small talk."""

from training.dialogues.dialogue import Check, Dialogue, assistant, user
from training.dialogues.side import Side
from training.dialogues.wordings import every

AREA = "conversation"


def _feeling(*words: str) -> tuple[str, ...]:
    return every(
        ("I am {how}{x}{when}.", "I feel {how}{x}{when}.", "I'm {how}{x}{when}", "Today I feel {how}{x}.", "I am feeling {how}{x}{when}."),
        how=("", "so ", "very ", "a bit "), when=("", " today", " right now"), x=words,
    )  # fmt: skip


# Per topic: what people say, what the model answers, and a word that shows that it stayed on the topic.
_TOPICS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ((*every(("{x}", "{x}!", "{x}.", "{x} there", "{x}, how nice to see you", "Oh, {x}!", "{x} again", "Well, {x}"), x=("hello", "hi", "hey", "good morning", "good evening", "good day", "greetings", "hiya")), "Hello", "Hello!", "Hi", "Hi!", "Hi there", "Hey", "Hey there!", "Good morning", "Good evening!", "Good day", "Greetings", "hello there", "Hiya"),
     ("Hello! How can I help you?", "Hello! What can I do for you?", "Hello! It is good to see you. How can I help?"), ("hello",)),
    ((*every(("{x}?", "{x} today?", "And {x}?", "Hello, {x}?", "Tell me, {x}?"), x=("how are you", "how are you doing", "how do you do", "how is it going", "how do you feel", "how have you been")), "How are you?", "How are you doing?", "How do you do?", "How is it going?", "Are you well?", "How are you today?", "How have you been?", "You ok?"),
     ("I am doing well, thank you. How are you?", "I am fine, thank you for asking. How can I help you?"), ("thank",)),
    ((*every(("{x}", "{x}!", "{x}.", "Ok, {x}", "Great, {x}!", "{x} for your help", "{x}, that helped"), x=("thanks", "thank you", "many thanks", "thanks a lot", "thank you very much", "thank you so much")), "Thanks", "Thank you", "Thanks a lot!", "Thank you very much.", "Many thanks!", "Great, thanks", "Thank you, that helped.", "Cheers, thanks!", "thx"),
     ("You are welcome!", "You are welcome! Is there anything else?", "You are welcome. I am glad that I could help."), ("welcome",)),
    ((*every(("{x}", "{x}!", "{x}.", "Ok, {x}", "{x} and good night", "{x}, I have to go", "Well, {x}"), x=("goodbye", "bye", "see you later", "see you tomorrow", "bye bye", "see you", "farewell")), "Goodbye", "Bye", "Bye!", "See you later", "See you tomorrow!", "Good night", "I have to go now.", "Farewell", "That is all for today."),
     ("Goodbye! Have a nice day.", "Goodbye! I hope to see you again."), ("goodbye",)),
    ((*_feeling("sad", "unhappy", "down", "lonely", "miserable"), "I am sad.", "I feel sad today.", "I am unhappy.", "I feel down.", "Today was a bad day.", "I am feeling blue.", "I had a terrible day.", "I feel lonely."),
     ("I am sorry to hear that. Would you like to talk about it?", "I am sorry that you feel this way. I am here to listen."), ("sorry",)),
    ((*_feeling("happy", "great", "cheerful", "wonderful", "glad"), "I am happy.", "I feel great today.", "I am so happy!", "Today was a good day.", "I had a wonderful day.", "I am in a good mood.", "Life is good."),
     ("I am glad to hear that! What made you so happy?", "That is wonderful, I am glad for you!"), ("glad",)),
    ((*_feeling("tired", "exhausted", "sleepy", "worn out"), "I am tired.", "I feel tired.", "I am exhausted.", "I slept badly.", "I need sleep.", "I am so sleepy today.", "I worked too much today."),
     ("You should get some rest. A short break can help.", "That sounds tiring. Give yourself some rest."), ("rest",)),
    ((*_feeling("bored"), "I am bored.", "I feel bored.", "This is boring.", "I have nothing to do.", "What can I do against boredom?", "I do not know what to do."),
     ("How about cooking something new? I can write a recipe for you.", "You could cook something new. Ask me for a recipe!"), ("recipe",)),
    ((*_feeling("hungry", "starving"), "I am hungry.", "I feel hungry.", "I could eat a horse.", "I want to eat something.", "My stomach is empty.", "What should I eat?", "I need food."),
     ("Let me help: ask me for a recipe, and tell me what you like.", "I can write a recipe for you. What do you like to eat?"), ("recipe",)),
    ((*_feeling("angry", "furious", "upset", "annoyed", "mad"), "I am angry.", "I am so angry!", "I feel furious.", "This makes me mad.", "I am upset.", "I am annoyed today."),
     ("I understand that you are upset. Take a deep breath. What happened?", "I understand. It may help to take a short walk."), ("understand",)),
    ((*_feeling("nervous", "anxious", "worried", "afraid", "scared"), "I am nervous.", "I am afraid of my exam.", "I feel nervous about tomorrow.", "I am worried.", "I feel anxious.", "I am scared."),
     ("Take a deep breath. You can do this, one step at a time.", "Try to stay calm and take one step at a time."), ("step",)),
    ((*every(("{x}?", "Tell me, {x}?", "So {x}?", "{x} exactly?", "Hello, {x}?"), x=("who are you", "what are you", "what is your name", "who am I talking to", "are you a robot", "which model are you", "are you a person")), "Who are you?", "What are you?", "What is your name?", "Introduce yourself.", "Tell me about yourself.", "Are you a robot?", "Are you human?", "Who am I talking to?"),
     ("I am forefront-mini, the small demonstration model of Forefront.",), ("forefront-mini",)),
    ((*every(("{x}?", "Tell me, {x}?", "So {x}?", "{x} exactly?", "Hello, {x}?", "{x} for me?"), x=("what can you do", "how can you help", "what are you good at", "what can I ask you", "what are you able to do", "what are your skills")), "What can you do?", "How can you help me?", "What are you good at?", "What do you know?", "Help", "Help me.", "What can I ask you?", "What are your skills?"),
     ("I can write recipes, do simple sums, work with short texts and JSON, call tools, remember what you tell me, and explain Forefront.",), ("recipes",)),
    ((*every(("You are {x}!", "You are so {x}.", "You are very {x}!", "That was {x}!", "That was very {x}.", "How {x} of you!"), x=("great", "good", "helpful", "clever", "nice", "kind", "perfect")), "You are great!", "Good job!", "Well done!", "You are very helpful.", "Nice work.", "I like you.", "You are clever!", "That was perfect."),
     ("Thank you, that is kind of you!", "Thank you! I am happy to help."), ("thank",)),
    ((*every(("You are {x}.", "You are so {x}!", "That was {x}.", "Your answer is {x}.", "This is {x}.", "That is really {x}."), x=("stupid", "useless", "wrong", "bad", "terrible", "silly", "no help")), "You are stupid.", "That was wrong.", "You are useless.", "This is not what I wanted.", "I do not like your answer.", "Bad answer."),
     ("I am sorry. Please tell me what you need, and I will try again.",), ("sorry",)),
    ((*every(("{x}", "{x}.", "{x}!", "Ah, {x}", "{x} then", "{x}, good to know"), x=("ok", "okay", "I see", "fine", "alright", "sure", "got it", "understood")), "Ok", "Okay.", "I see.", "Fine.", "Alright.", "Sure.", "Good.", "Got it."),
     ("Good! Is there anything else that I can do for you?", "Alright. What would you like to do next?"), ("?",)),
    ((*every(("Tell me {x}.", "Do you know {x}?", "I want to hear {x}.", "Please tell {x}.", "{x}, please!", "Can you tell me {x}?", "Do you have {x} for me?"), x=("a joke", "another joke", "a good joke", "something funny", "a funny story", "a short joke")), "Tell me a joke.", "Do you know a joke?", "Make me laugh.", "Say something funny.", "I want to hear a joke.", "A joke, please!"),
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
