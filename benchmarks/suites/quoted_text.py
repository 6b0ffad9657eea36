"""Prompts whose answers quote them, and prompts whose answers do not."""

from typing import Final

_ARTICLE: Final = """The lighthouse at Cape Morrow was built in 1874 after three ships were lost on the reef within a
single winter. Its first keeper, Anders Holm, lived there with his wife and four children for thirty-one years. The lamp
burned whale oil until 1902, when it was converted to kerosene, and it was electrified in 1938. In 1987 the station was
automated, and the last keeper, Ruth Delgado, moved to the village. Today the tower is a museum that receives about
twelve thousand visitors each year.""".replace("\n", " ")
_LETTER: Final = """From: Helen Carter <helen.carter@brightwater.example>
Date: Tuesday, 14 May 2024
Subject: Order 58213 arrived damaged

Hello, my order number 58213 arrived yesterday, but two of the six glasses were broken and the box was open on one side.
I ordered the set "Aurora Crystal" on 2 May for 89.90 euros. I would like to have the two glasses replaced, please, or
30 euros refunded. My phone number is 0151 2345678 and my address is 12 Harbour Lane, Brightwater."""
_TABLE: Final = """name,department,city,salary,start
Maria Lopez,Engineering,Madrid,62000,2019-03-01
John Smith,Marketing,London,54000,2020-07-15
Aiko Tanaka,Engineering,Osaka,71000,2017-11-20
Peter Novak,Sales,Prague,48000,2021-01-10"""

QUOTING: Final = (
    f"Repeat the following text word for word:\n\n{_ARTICLE}",
    f"Extract the most important sentences of this text, quoted exactly:\n\n{_ARTICLE}",
    f"Rewrite this text in the present tense:\n\n{_ARTICLE}",
    f"Summarize this text in three sentences, using its own words:\n\n{_ARTICLE}",
    f"List the order number, the date, the product, the price, the phone number and the address:\n\n{_LETTER}",
    f"Which people in this CSV work in Engineering? Copy their lines.\n\n{_TABLE}",
    f"Convert this CSV to a Markdown table:\n\n{_TABLE}",
    f"Correct the spelling of this text and return the whole text:\n\n{_ARTICLE.replace('keeper', 'keper')}",
)
UNPREDICTABLE: Final = (
    "Write a short story about a robot who learns to paint.",
    "Explain how photosynthesis works to a ten-year-old.",
    "What are the advantages of public transport in a city?",
    "How do I prepare for a job interview?",
    "Tell me about the history of the bicycle.",
    "Describe a day in the life of a nurse.",
    "What should I pack for a week of hiking?",
    "Compare cats and dogs as pets.",
)
