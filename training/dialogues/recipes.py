"""Recipes, put together from kinds of dishes, what goes into them, and what the guest asks for."""

import re
from dataclasses import dataclass

from training.dialogues.dialogue import Dialogue, user
from training.dialogues.side import Side
from training.dialogues.words import NUMBERS, article, listing

AREA = "recipes"


@dataclass(frozen=True)
class Ingredient:
    """`amount` of `unit` per person; `kinds` are what it is, such as `meat` or `nuts`."""

    name: str
    amount: int
    unit: str
    kinds: frozenset[str] = frozenset()

    def line(self, people: int) -> str:
        """One line of the list of ingredients."""
        amount = self.amount * people
        if self.unit == "piece":
            return f"{amount} {self.name if amount > 1 or not self.name.endswith('s') else _singular(self.name)}"
        return f"{amount} {self.unit} {self.name}"


def _singular(noun: str) -> str:
    for plural, single in (("tomatoes", "tomato"), ("potatoes", "potato"), ("leaves", "leaf")):
        if noun.endswith(plural):
            return noun.removesuffix(plural) + single
    return noun.removesuffix("s")


def _table(text: str) -> dict[str, Ingredient]:
    found = {}
    for line in text.strip().splitlines():
        name, amount, unit, *kinds = (part.strip() for part in line.split("|"))
        found[name] = Ingredient(name, int(amount), unit, frozenset(kinds[0].split()) if kinds else frozenset())
    return found


INGREDIENTS = _table("""
spaghetti | 100 | g | gluten
penne | 100 | g | gluten
tagliatelle | 100 | g | gluten gluten
rice | 80 | g
noodles | 90 | g | gluten
flour | 80 | g | gluten
pizza dough | 150 | g | gluten
tortillas | 2 | piece | gluten
burger buns | 1 | piece | gluten
bread | 60 | g | gluten
potatoes | 200 | g
tomatoes | 150 | g
mushrooms | 100 | g
spinach | 80 | g
zucchini | 120 | g
peppers | 100 | g
broccoli | 120 | g
carrots | 100 | g
peas | 80 | g
pumpkin | 200 | g
cauliflower | 150 | g
eggplant | 150 | g
onions | 1 | piece
leeks | 1 | piece
chickpeas | 100 | g
lentils | 80 | g
beans | 100 | g
sweetcorn | 60 | g
tofu | 120 | g
chicken | 150 | g | meat
beef | 150 | g | meat
bacon | 50 | g | meat
ham | 60 | g | meat
salmon | 150 | g | fish
tuna | 100 | g | fish
prawns | 120 | g | fish
eggs | 2 | piece | egg
cheese | 50 | g | dairy
mozzarella | 80 | g | dairy
parmesan | 20 | g | dairy
feta | 50 | g | dairy
cream | 50 | ml | dairy
butter | 20 | g | dairy
milk | 100 | ml | dairy
yogurt | 100 | g | dairy
coconut milk | 100 | ml
walnuts | 20 | g | nuts
almonds | 20 | g | nuts
cashews | 25 | g | nuts
avocado | 1 | piece
olives | 30 | g
cucumber | 100 | g
lettuce | 50 | g
apples | 1 | piece
bananas | 1 | piece
berries | 80 | g
sugar | 30 | g
honey | 1 | tbsp | honey
chocolate | 40 | g
vegetable stock | 250 | ml
olive oil | 1 | tbsp
soy sauce | 1 | tbsp | gluten
lemon juice | 1 | tbsp
curry powder | 1 | tsp
basil | 5 | g
coriander | 5 | g
parsley | 5 | g
garlic | 1 | clove
ginger | 5 | g
""")

DIETS = {
    "vegetarian": {"meat", "fish"},
    "vegan": {"meat", "fish", "dairy", "egg", "honey"},
    "gluten-free": {"gluten"},
    "dairy-free": {"dairy"},
}
WITHOUT = {
    "nuts": {"nuts"},
    "meat": {"meat"},
    "fish": {"fish"},
    "dairy": {"dairy"},
    "eggs": {"egg"},
    "gluten": {"gluten"},
}


@dataclass(frozen=True)
class Kind:
    """A kind of dish. `mains` and `finish` are what may fill `{a}`, `{b}` and `{c}` of the title and the steps."""

    title: str
    cuisine: str
    meals: tuple[str, ...]
    base: tuple[str, ...]
    mains: tuple[str, ...]
    finish: tuple[str, ...]
    minutes: int
    steps: tuple[str, ...]


_VEGETABLES = ("tomatoes", "mushrooms", "spinach", "zucchini", "peppers", "broccoli", "carrots", "peas")
_PROTEINS = ("chicken", "beef", "prawns", "tofu", "salmon", "chickpeas")

KINDS = (
    Kind("Spaghetti with {a} and {c}", "italian", ("dinner", "lunch"), ("spaghetti", "olive oil", "garlic"),
         ("tomatoes", "mushrooms", "spinach", "zucchini", "prawns", "tuna", "bacon"), ("basil", "parmesan", "olives", "parsley"), 25,
         ("Boil the spaghetti in salted water until tender.", "Heat the olive oil in a pan and fry the garlic for one minute.",
          "Add the {a} and cook for eight minutes.", "Drain the spaghetti and toss it with the {a}.", "Serve with the {c} on top.")),
    Kind("Creamy penne with {a} and {b}", "italian", ("dinner", "lunch"), ("penne", "cream", "butter", "garlic"),
         ("mushrooms", "spinach", "chicken", "ham", "salmon", "peas", "broccoli"), ("parmesan", "walnuts", "parsley"), 30,
         ("Boil the penne in salted water until tender.", "Melt the butter and fry the garlic for one minute.",
          "Add the {a} and the {b} and cook for ten minutes.", "Stir in the cream and the drained penne.", "Serve with the {c} on top.")),
    Kind("Risotto with {a} and {c}", "italian", ("dinner",), ("rice", "onions", "olive oil", "vegetable stock"),
         ("mushrooms", "pumpkin", "peas", "spinach", "prawns", "zucchini"), ("parmesan", "lemon juice", "walnuts", "parsley"), 40,
         ("Chop the onions and fry them gently in the olive oil.", "Stir in the rice and cook for two minutes.",
          "Add the vegetable stock little by little, stirring often.", "After ten minutes add the {a} and cook until the rice is soft.",
          "Finish with the {c} and serve.")),
    Kind("Pizza with {a} and {b}", "italian", ("dinner", "lunch"), ("pizza dough", "tomatoes", "olive oil"),
         ("mushrooms", "ham", "peppers", "tuna", "spinach", "olives", "zucchini"), ("mozzarella", "basil", "feta"), 35,
         ("Heat the oven to 230 degrees.", "Roll out the pizza dough on a tray.", "Crush the tomatoes and spread them on the dough.",
          "Add the {a}, the {b} and the {c}.", "Drizzle with the olive oil and bake for fifteen minutes.")),
    Kind("Curry with {a} and {b}", "indian", ("dinner",), ("rice", "onions", "coconut milk", "curry powder"),
         ("chickpeas", "lentils", "chicken", "prawns", "potatoes", "cauliflower", "spinach", "peas"), ("coriander", "cashews", "yogurt"), 35,
         ("Boil the rice.", "Chop the onions and fry them with the curry powder.", "Add the {a} and the {b} and stir well.",
          "Pour in the coconut milk and simmer for twenty minutes.", "Serve with the rice and the {c}.")),
    Kind("Stir-fried {a} with {b}", "chinese", ("dinner", "lunch"), ("noodles", "soy sauce", "ginger"),
         ("tofu", "beef", "chicken", "prawns", "broccoli", "peppers", "carrots", "mushrooms"), ("cashews", "coriander", "lemon juice"), 20,
         ("Cook the noodles and drain them.", "Slice the ginger and fry it in a very hot pan.", "Add the {a} and the {b} and stir for six minutes.",
          "Add the noodles and the soy sauce and toss.", "Top with the {c} and serve.")),
    Kind("Tacos with {a} and {b}", "mexican", ("dinner", "lunch"), ("tortillas", "onions", "lemon juice"),
         ("beans", "beef", "chicken", "prawns", "sweetcorn", "peppers", "tomatoes"), ("avocado", "coriander", "cheese"), 25,
         ("Chop the onions and fry them until golden.", "Add the {a} and the {b} and cook for ten minutes.", "Warm the tortillas in a dry pan.",
          "Fill the tortillas and sprinkle with the lemon juice.", "Top with the {c} and serve.")),
    Kind("Salad with {a} and {b}", "greek", ("lunch", "dinner"), ("cucumber", "tomatoes", "olive oil", "lemon juice"),
         ("chickpeas", "tuna", "peppers", "olives", "lettuce", "chicken"), ("feta", "parsley", "almonds"), 15,
         ("Cut the cucumber and the tomatoes into cubes.", "Mix them with the {a} and the {b} in a large bowl.",
          "Stir the olive oil and the lemon juice together and pour them over.", "Top with the {c} and serve.")),
    Kind("Soup with {a} and {b}", "french", ("dinner", "lunch"), ("onions", "vegetable stock", "olive oil"),
         ("leeks", "potatoes", "carrots", "lentils", "mushrooms", "pumpkin", "peas", "chicken"), ("cream", "parsley", "bread"), 35,
         ("Chop the onions and fry them in the olive oil.", "Add the {a} and the {b} and fry for three minutes.",
          "Pour in the vegetable stock and simmer for twenty minutes.", "Serve hot with the {c}.")),
    Kind("Omelette with {a} and {b}", "french", ("breakfast", "lunch"), ("eggs", "butter"),
         ("mushrooms", "ham", "spinach", "tomatoes", "peppers", "salmon"), ("cheese", "parsley", "feta"), 15,
         ("Beat the eggs with a pinch of salt.", "Melt the butter in a pan and fry the {a} and the {b} for four minutes.",
          "Pour in the eggs and cook until they set.", "Add the {c}, fold the omelette and serve.")),
    Kind("Roast {a} with {b}", "british", ("dinner",), ("potatoes", "olive oil", "garlic"),
         ("chicken", "beef", "salmon", "carrots", "pumpkin", "cauliflower", "broccoli", "tomatoes"), ("parsley", "lemon juice", "yogurt"), 50,
         ("Heat the oven to 200 degrees.", "Cut the potatoes into wedges and put them on a tray with the garlic.",
          "Add the {a} and the {b} and mix everything with the olive oil.", "Roast for forty minutes.", "Finish with the {c} and serve.")),
    Kind("Burgers with {a} and {b}", "american", ("dinner", "lunch"), ("burger buns", "lettuce", "onions"),
         ("beef", "chicken", "tofu", "mushrooms", "bacon", "tomatoes", "beans"), ("cheese", "avocado", "yogurt"), 30,
         ("Slice the onions and fry them until golden.", "Fry the {a} and the {b} in the same pan for eight minutes.", "Toast the burger buns.",
          "Fill the buns with the lettuce, the {a}, the {b} and the onions.", "Add the {c} and serve.")),
    Kind("Pancakes with {a} and {c}", "american", ("breakfast", "dessert"), ("flour", "milk", "eggs", "butter"),
         ("bananas", "berries", "apples", "chocolate"), ("honey", "yogurt", "walnuts", "sugar"), 20,
         ("Mix the flour, the milk and the eggs to a smooth batter.", "Melt a little of the butter in a pan.",
          "Fry small pancakes for two minutes on each side.", "Serve with the {a} and the {c}.")),
    Kind("Crumble with {a} and {b}", "british", ("dessert",), ("flour", "butter", "sugar"),
         ("apples", "berries", "bananas"), ("almonds", "yogurt", "cream", "honey"), 40,
         ("Heat the oven to 180 degrees.", "Slice the {a} and the {b} and put them in a dish.", "Rub the flour, the butter and the sugar to crumbs.",
          "Spread the crumbs on top and bake for thirty minutes.", "Serve with the {c}.")),
    Kind("Fruit bowl with {a} and {b}", "simple", ("breakfast", "dessert"), ("lemon juice", "sugar"),
         ("apples", "berries", "bananas"), ("almonds", "yogurt", "walnuts", "honey"), 10,
         ("Cut the {a} and the {b} into small pieces.", "Mix them with the lemon juice and the sugar.", "Top with the {c} and serve.")),
    Kind("Warm rice bowl with {a} and {b}", "simple", ("dinner", "lunch"), ("rice", "olive oil", "garlic"),
         ("tofu", "chickpeas", "beans", "salmon", "broccoli", "carrots", "eggplant", "spinach"), ("avocado", "feta", "cashews", "parsley"), 25,
         ("Boil the rice.", "Heat the olive oil and fry the garlic for one minute.", "Add the {a} and the {b} and cook for ten minutes.",
          "Put the rice into bowls and spread everything on top.", "Finish with the {c} and serve.")),
)  # fmt: skip

FRIDGE = tuple(
    sorted(
        set(_VEGETABLES + _PROTEINS) | {"eggs", "cheese", "ham", "bacon", "potatoes", "rice", "beans", "cream", "leeks"}
    )
)
_FRIDGE_STEPS = (
    "Cut the {all} into small pieces.",
    "Heat the olive oil in a large pan.",
    "Fry the {all} for twelve minutes, stirring often.",
    "Season with salt and serve hot.",
)
_NAMES = sorted(INGREDIENTS, key=len, reverse=True)


@dataclass(frozen=True)
class Wish:
    """What a guest asks for; empty fields are open."""

    cuisine: str = ""
    meal: str = ""
    people: int = 2
    avoid: frozenset[str] = frozenset()
    main: str = ""
    fridge: tuple[str, ...] = ()


def allowed(name: str, wish: Wish) -> bool:
    """Whether the wish lets an ingredient in."""
    ingredient = INGREDIENTS[name]
    return not ingredient.kinds & wish.avoid and name not in wish.avoid


def cook(side: Side, wish: Wish) -> str | None:
    """A recipe that keeps to the wish, or None where no dish does."""
    if wish.fridge:
        items = [*wish.fridge, "olive oil"]
        title = f"Pan-fried {listing(list(wish.fridge))}"
        steps = [step.format(all=listing(list(wish.fridge))) for step in _FRIDGE_STEPS]
        return _card(title, items, steps, wish.people, 20)
    fitting = []
    for kind in KINDS:
        mains = [name for name in kind.mains if allowed(name, wish)]
        finish = [name for name in kind.finish if allowed(name, wish)]
        if (
            (not wish.cuisine or kind.cuisine == wish.cuisine)
            and (not wish.meal or wish.meal in kind.meals)
            and all(allowed(name, wish) for name in kind.base)
            and len(mains) >= 2
            and finish
            and (not wish.main or wish.main in mains)
        ):
            fitting.append((kind, mains, finish))
    if not fitting:
        return None
    kind, mains, finish = side.choice(fitting)
    a, b = side.sample(mains, 2)
    if wish.main and wish.main not in (a, b):
        a = wish.main
    two = any("{b}" in part for part in (kind.title, *kind.steps))
    if wish.main and not two:
        a = wish.main
    names = {"a": a, "b": b, "c": side.choice(finish)}
    items = list(dict.fromkeys([a, *([b] if two else []), *kind.base, names["c"]]))
    title = kind.title.format(**names)
    return _card(title, items, [step.format(**names) for step in kind.steps], wish.people, kind.minutes)


def _card(title: str, items: list[str], steps: list[str], people: int, minutes: int) -> str:
    return "\n".join([
        title[0].upper() + title[1:], "", f"Serves {people}, ready in {minutes} minutes.", "", "Ingredients:",
        *(f"- {INGREDIENTS[item].line(people)}" for item in items), "", "Steps:",
        *(f"{number}. {step}" for number, step in enumerate(steps, 1)),
    ])  # fmt: skip


def good_recipe(text: str, wish: Wish) -> bool:
    """Title, ingredients with quantities for the right number of people, numbered steps from these alone, wishes kept."""
    match = re.fullmatch(
        r"(?s)(.*?)([^\n]+)\n+Serves (\d+), ready in (\d+) minutes\.\n+Ingredients:\n((?:- [^\n]+\n)+)\n*Steps:\n((?:\d+\. [^\n]+\n?)+).*",
        text.strip() + "\n",
    )
    if not match:
        return False
    title, people, listed, steps = match[2], int(match[3]), match[5], match[6]
    items = []
    for line in listed.strip().splitlines():
        item = next((name for name in _NAMES if line.lower().endswith((name, _singular(name)))), None)
        if item is None or line.lower() != f"- {INGREDIENTS[item].line(people)}":
            return False
        items.append(item)
    numbers = re.findall(r"^(\d+)\.", steps, re.M)
    kind = next((k for k in KINDS if re.match(re.sub(r"\{\w\}", ".+", k.title) + "$", title, re.I)), None)
    return (
        people == wish.people
        and len(items) == len(set(items)) >= 2
        and numbers == [str(i + 1) for i in range(len(numbers))]
        and mentioned(steps) <= set(items)
        and mentioned(title) <= set(items)
        and all(allowed(item, wish) for item in items)
        and (not wish.main or wish.main in items)
        and (not wish.fridge or set(items) == {*wish.fridge, "olive oil"})
        and (not wish.cuisine or (kind is not None and kind.cuisine == wish.cuisine))
        and (not wish.meal or (kind is not None and wish.meal in kind.meals))
    )


def mentioned(text: str) -> set[str]:
    """The known ingredients that a text names, the longer name first (`coconut milk` is no `milk`)."""
    found, rest = set(), text.lower()
    for name in _NAMES:
        if re.search(rf"\b{name}\b", rest):
            found.add(name)
            rest = re.sub(rf"\b{name}\b", " ", rest)
    return found


CUISINES = sorted({kind.cuisine for kind in KINDS} - {"simple"})
_ASK = (
    "Write a recipe for {what}", "Give me a recipe for {what}", "I need a recipe for {what}", "Can you write a recipe for {what}?",
    "I would like to cook {what}", "What is a good recipe for {what}?", "Please suggest {what}", "Tell me how to make {what}",
    "Create a recipe for {what}", "How do I cook {what}?", "Help me cook {what}", "I want to make {what}", "recipe for {what}",
    "Show me a recipe for {what}", "Find me a recipe for {what}", "Let's cook {what}", "Could you share a recipe for {what}?",
    "I am looking for a recipe for {what}", "Plan {what} for me", "Do you know a recipe for {what}?",
)  # fmt: skip
_FRIDGE_ASK = (
    "I have {items} in my fridge. What can I cook?", "My fridge holds only {items}. Write a recipe with them.",
    "What can I make with {items}?", "I only have {items} left. Give me a recipe.", "Cook something with what is in my fridge: {items}.",
    "There are {items} in the fridge. Suggest a recipe.", "Write a recipe that uses {items} and nothing else.",
    "In my kitchen I found {items}. What should I cook?", "Give me a recipe with {items} from my fridge.",
    "All I have is {items}. What can I do with that?", "Make me a meal from {items}.",
)  # fmt: skip
_PEOPLE = (
    "for {n} people",
    "for {n}",
    "for {n} guests",
    "that serves {n}",
    "for a group of {n}",
    "for {n} persons",
    "to feed {n}",
)
_PREFERENCE = (
    "{so} should be {diet}.", "{so} must be {diet}.", "I am {diet}.", "Make it {diet}.", "{so} has to be {diet}.", "We eat only {diet} food.",
    "Please keep it {diet}.",
)  # fmt: skip
_NO = (
    "without {x}",
    "with no {x}",
    "that has no {x}",
    "free of {x}",
    "but without {x}",
    "that contains no {x}",
    "without any {x}",
)
_NO_LATER = (
    "No {x}, please.",
    "I am allergic to {x}.",
    "Please leave out {x}.",
    "I do not eat {x}.",
    "Do not use {x}.",
    "Without {x}, please.",
)


def make(side: Side) -> Dialogue:
    """A request for a recipe."""
    while True:
        question, wish = _request(side)
        answer = cook(side, wish)
        if answer is not None and side.owns(question.lower()):
            return Dialogue(AREA, [user(question)], answer, lambda text, wish=wish: good_recipe(text, wish))  # type: ignore[misc]


def _request(side: Side) -> tuple[str, Wish]:
    people = side.choice([1, 2, 3, 4, 5, 6, 8, 10]) if side.chance(0.4) else 2
    counted = NUMBERS[people] if side.chance(0.6) else str(people)
    if side.chance(side.share(0.15, 0.35)):
        fridge = tuple(side.sample(FRIDGE, side.random.randint(2, 4)))
        question = side.pick(_FRIDGE_ASK).format(items=listing(list(fridge)))
        if people != 2:
            question += f" It is {side.choice(['for', 'meant for'])} {counted} {'person' if people == 1 else 'people'}."
        return question, Wish(people=people, fridge=fridge)
    cuisine = side.choice(CUISINES) if side.chance(0.6) else ""
    meal = side.choice(["dinner", "dinner", "lunch", "breakfast", "dessert"]) if side.chance(0.75) else ""
    main = side.choice(_VEGETABLES + _PROTEINS) if side.chance(side.share(0.2, 0.3)) else ""
    avoid: set[str] = set()
    diet = side.choice(list(DIETS)) if side.chance(side.share(0.25, 0.4)) else ""
    lead, later = "", []
    if diet:
        avoid |= DIETS[diet]
        if side.chance(0.6):
            lead = diet
        else:
            later.append(side.pick(_PREFERENCE).format(diet=diet, so=side.choice(["It", "The food", "Everything"])))
    what = " ".join(part for part in (lead, cuisine, meal or side.choice(["dish", "meal"])) if part)
    what = article(_capital(side, what, cuisine))
    if main:
        what += f" with {main}"
    if people != 2 or side.chance(0.05):
        what += " " + (side.pick(_PEOPLE).format(n=counted) if people > 1 else f"for {counted} person")
    if side.chance(side.share(0.25, 0.45)):
        unwanted = (
            side.choice(list(WITHOUT))
            if side.chance(0.6)
            else side.choice((*_VEGETABLES, "garlic", "onions", "cheese"))
        )
        avoid |= WITHOUT.get(unwanted, {unwanted})
        if side.chance(0.6):
            what += " " + side.pick(_NO).format(x=unwanted)
        else:
            later.append(side.pick(_NO_LATER).format(x=unwanted))
    question = side.pick(_ASK).format(what=what)
    if question[-1] not in ".?!" and (later or side.chance(0.5)):
        question += "."
    return " ".join([question, *later]), Wish(cuisine, meal, people, frozenset(avoid), main)


def _capital(side: Side, what: str, cuisine: str) -> str:
    return what.replace(cuisine, cuisine.capitalize()) if cuisine and side.chance(0.5) else what
