"""Pools of words. What must be copied rather than known is partly made up, so that copying is what is learnt."""

from training.dialogues.side import Side

NAMES = """
Anna Ben Clara David Emma Felix Grace Henry Ida Jonas Kate Leo Mia Noah Olivia Paul Rosa Sam Tara Victor Alice Bruno
Chloe Daniel Elena Frank Gina Hugo Ines Jack Karen Lucas Maria Nina Oscar Peter Quinn Ruth Simon Tina Uma Vera Will
Yara Zoe Adam Bella Carl Diana Eric Fiona George Hannah Ivan Julia Kevin Laura Martin Nora Omar Priya Robert Sara
Tom Ursula Vikram Wendy Xavier Yusuf Zara Aisha Boris Chen Deepa Emil Farah Goran Hiro Imani Jorge Keiko Lars Mei
Nadia Otto Pedro Ravi Sofia Tariq Ugo Valentina Wei Ximena Yuki Zoltan
""".split()
FAMILY_NAMES = """
Smith Jones Brown Miller Davis Wilson Moore Taylor Clark Lewis Walker Hall Young King Wright Hill Green Baker Nelson
Carter Meyer Fischer Weber Rossi Silva Kim Park Singh Khan Ali Novak Kowalski Jansen Berg Lund Costa Lopez Garcia
Martin Dubois Tanaka Sato Wang Li Chen Cohen Murphy Kelly Stone
""".split()
CITIES = """
Paris London Berlin Rome Madrid Vienna Lisbon Dublin Prague Oslo Athens Warsaw Budapest Helsinki Stockholm Amsterdam
Brussels Zurich Geneva Munich Hamburg Milan Naples Turin Venice Florence Porto Seville Valencia Barcelona Lyon Nice
Bordeaux Toulouse Edinburgh Glasgow Leeds Bristol Boston Chicago Denver Seattle Austin Miami Dallas Phoenix Toronto
Montreal Vancouver Sydney Melbourne Perth Auckland Tokyo Osaka Kyoto Seoul Beijing Shanghai Mumbai Delhi Cairo Lagos
Nairobi Tunis Lima Bogota Santiago Havana Quito
""".split()
COLOURS = "red blue green yellow orange purple pink black white brown grey turquoise".split()
JOBS = """
teacher nurse baker carpenter pilot farmer lawyer painter dentist gardener plumber engineer librarian musician
photographer chemist electrician journalist architect waiter mechanic tailor designer driver doctor
""".split()
PETS = "cat dog hamster rabbit parrot turtle goldfish pony".split()
HOBBIES = """
chess tennis painting cycling swimming hiking knitting gardening singing sailing climbing fishing reading dancing
photography pottery running baking
""".split()
THINGS = """
apple banana cherry lemon mango orange peach pear plum grape melon kiwi apricot bread butter cheese milk sugar salt
honey rice pasta table chair lamp book pencil paper window door mirror carpet candle bottle basket ladder hammer
spoon fork knife plate bowl cup kettle pillow blanket towel soap brush comb clock phone radio camera piano guitar
violin drum flute trumpet train bus car boat plane truck bicycle tractor rocket horse cow sheep goat pig chicken
duck goose lion tiger bear wolf fox deer rabbit mouse eagle owl penguin dolphin whale shark salmon frog snake spider
bee ant butterfly oak pine maple rose tulip daisy lily river lake ocean island mountain valley forest desert beach
cloud rain snow wind storm sun moon star planet winter summer spring autumn garden kitchen bridge castle tower
school market library museum hotel office factory hospital station harbour shirt jacket scarf glove hat shoe sock
coat dress belt ring necklace coin ticket letter parcel map compass anchor engine wheel mirror needle button ribbon
zebra yogurt umbrella quilt igloo nectarine violet walnut xylophone jelly kangaroo
""".split()
THINGS = sorted(set(THINGS))
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty
""".split()

_STARTS = "b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sh st t tr v w z".split()
_MIDDLES = "a e i o u ai ea ee ia io oa ou".split()
_ENDS = ["", "", "n", "r", "l", "s", "m", "x", "nd", "rk", "lt", "ck", "sh", "th"]


def made_up(side: Side, syllables: int = 0) -> str:
    """A word that no one has seen, about as long as names are."""
    count = syllables or side.choice([1, 2, 2, 2, 3])
    return "".join(side.choice(_STARTS) + side.choice(_MIDDLES) for _ in range(count - 1)) + (
        side.choice(_STARTS) + side.choice(_MIDDLES) + side.choice(_ENDS)
    )


def name(side: Side) -> str:
    """A first name, one in three made up."""
    return made_up(side).capitalize() if side.chance(0.35) else side.choice(NAMES)


def city(side: Side) -> str:
    """A city, one in three made up."""
    return made_up(side).capitalize() if side.chance(0.3) else side.choice(CITIES)


def listing(items: list[str], last: str = "and") -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def article(noun: str) -> str:
    """The noun with `a` or `an`."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"
