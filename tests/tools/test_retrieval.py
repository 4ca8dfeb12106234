"""Picking the few relevant tools: 300 generated ones, and queries in other words than theirs."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.errors import ConfigError
from orchestra.plan.tool_spec import ToolSpec
from orchestra.tools.retrieval import Shortlist, intents, tokens
from orchestra.tools.tool import Tool

THINGS = {
    "flight": "an airline flight between two airports",
    "hotel": "a hotel room for a stay",
    "invoice": "an invoice that a customer owes",
    "payment": "a card payment or refund",
    "email": "an email message in the inbox",
    "calendarEvent": "a meeting or appointment in the calendar",
    "contact": "a person in the address book",
    "weather": "the forecast for a city: temperature, rain and wind",
    "stockQuote": "the share price of a listed company",
    "exchangeRate": "the rate between two currencies",
    "recipe": "a cooking recipe with its ingredients",
    "playlist": "a music playlist with its songs",
    "photo": "a picture in an album",
    "document": "a text document in the shared drive",
    "spreadsheet": "a sheet of rows and columns",
    "ticket": "a support ticket that a customer has opened",
    "deployment": "a release of a service to a cluster",
    "container": "a running container on a node",
    "database_table": "a table and its rows in the warehouse",
    "employee": "a member of staff and their salary",
    "vacancy": "an open position that is being recruited for",
    "parcel": "a shipment with its tracking number",
    "restaurant": "a place to eat, with its menu and opening hours",
    "taxi": "a ride with a driver",
    "medicine": "a prescription drug and its dose",
    "patient": "a person treated in the clinic",
    "course": "a class that students enrol in",
    "library_book": "a book that can be borrowed",
    "sensor": "a device that measures temperature in a building",
    "light": "a lamp in a room",
}
ACTIONS = {
    "search": ("search{}s", "Find {} by keywords."),
    "create": ("create_{}", "Create a new {}."),
    "delete": ("delete_{}", "Delete {} for good."),
    "update": ("update_{}", "Change fields of {}."),
    "list": ("list_all_{}s", "List every {}, newest first."),
    "export": ("export_{}_to_csv", "Write {} to a CSV file."),
    "share": ("share_{}", "Share {} with other people."),
    "archive": ("archive_{}", "Archive {}."),
    "history": ("{}_history", "Past versions and changes of {}."),
    "statistics": ("{}_statistics", "Counts and averages over {}."),
}


def tool(name: str, description: str = "", **properties: str) -> Tool:
    async def call(arguments: object) -> None:
        raise AssertionError("nobody calls it")

    schema = {"type": "object", "properties": {key: {"type": "string", "description": text} for key, text in properties.items()}}
    return Tool(spec=ToolSpec(name=name, description=description, parameters=schema), call=call)


def three_hundred() -> list[Tool]:
    """Names in camelCase and snake_case, ten actions on thirty things: each word of a name is shared by nine or twenty-nine others."""
    tools = []
    for (thing, meaning), (action, (name, description)) in product(THINGS.items(), ACTIONS.items()):
        noun = thing[0].upper() + thing[1:] if name.startswith("search") else thing
        tools.append(tool(name.format(noun), description.format(f"{meaning}"), **{f"{thing}_id": f"Which {thing} to {action}."}))
    random.Random(7).shuffle(tools)
    return tools


# What users ask, and the tools they need; most words are not those of the tool's name.
QUERIES = {
    "Look for a flight from Oslo to Rome on Friday": {"searchFlights"},
    "Which hotels in Rome have a room for three nights? Search for them": {"searchHotels"},
    "Put a new meeting with Ada into my calendar": {"create_calendarEvent"},
    "What is the forecast, did it change? I need past versions of the weather": {"weather_history"},
    "Average salary of our staff, by department": {"employee_statistics"},
    "Remove the lamp in the kitchen for good": {"delete_light"},
    "Write all rows of the warehouse table to CSV": {"export_database_table_to_csv"},
    "Find songs for a party and create a playlist": {"searchPlaylists", "create_playlist"},
    "Find a restaurant near the station and then create a taxi ride to it": {"searchRestaurants", "create_taxi"},
    "List the newest support tickets. Archive the email from Bob; share the recipe with Eve": {
        "list_all_tickets",
        "archive_email",
        "share_recipe",
    },
    "Search flights, search hotels, search restaurants and search recipes": {
        "searchFlights",
        "searchHotels",
        "searchRestaurants",
        "searchRecipes",
    },
    "Change the dose of the patient's drug and list open positions": {"update_medicine", "list_all_vacancys"},
    "Track my shipment: past changes of the parcel": {"parcel_history"},
    "How many devices measure the temperature in the building? Statistics please": {"sensor_statistics"},
    "Share the picture with my family": {"share_photo"},
    "Create an invoice for the customer, plus a refund of the card payment": {"create_invoice", "create_payment"},
    "Enrol: find a class for students": {"searchCourses"},
    "Borrow a book: search the library": {"searchLibrary_books"},
    "Share price of Acme: how has the quote changed in the past?": {"stockQuote_history"},
    "Export the rate between the currencies to a file": {"export_exchangeRate_to_csv"},
}


def recall(shortlist: Shortlist, k: int) -> float:
    found = needed = 0
    for query, names in QUERIES.items():
        picked = {tool.name for tool in shortlist.pick(query, k)}
        found += len(names & picked)
        needed += len(names)
    return found / needed


def names(tools: list[Tool]) -> list[str]:
    return [tool.name for tool in tools]


def test_recall_over_300_tools_is_97_percent_in_3_and_complete_in_5() -> None:
    shortlist = Shortlist(three_hundred())
    assert recall(shortlist, 3) >= 0.965
    assert recall(shortlist, 5) == 1.0


def test_each_intent_of_a_query_gets_its_tool_before_any_gets_a_second() -> None:
    wanted = ["search flights", "search hotels", "search restaurants", "search recipes"]
    assert names(Shortlist(three_hundred()).pick(wanted, 4)) == [
        "searchFlights",
        "searchHotels",
        "searchRestaurants",
        "searchRecipes",
    ]


def test_queries_written_for_a_tool_find_it_where_its_own_words_do_not() -> None:
    question = "Do I need an umbrella tomorrow?"
    assert "searchWeathers" not in names(Shortlist(three_hundred()).pick(question))
    helped = Shortlist(three_hundred(), queries={"searchWeathers": ["umbrella or sunglasses today?", "will I get wet"]})
    assert names(helped.pick(question, 1)) == ["searchWeathers"]


def embed(texts: list[str]) -> list[list[float]]:
    """A toy that knows what rain and money have to do with."""
    concepts = ({"umbrella", "forecast", "rain", "wet"}, {"cash", "price", "salary", "currencies"})
    return [[float(len(concept & set(tokens(text)))) for concept in concepts] for text in texts]


def test_an_embedding_finds_what_shares_no_word_with_the_query() -> None:
    shortlist = Shortlist(three_hundred(), embed=embed)
    assert all("weather" in name.casefold() for name in names(shortlist.pick("Umbrella?", 10)))
    assert names(shortlist.pick("search weather", 1)) == ["searchWeathers"], "words still count"


def test_an_embedding_that_returns_too_few_vectors_is_named() -> None:
    with pytest.raises(ConfigError, match="`embed` returned 0 vectors for 300 texts"):
        Shortlist(three_hundred(), embed=lambda texts: [])


def test_tools_that_are_always_there_come_first_and_do_not_count() -> None:
    shortlist = Shortlist(three_hundred(), always=["share_photo"])
    assert names(shortlist.pick("search flights", 1)) == ["share_photo", "searchFlights"]
    assert names(shortlist.pick("share photo", 1))[0] == "share_photo"
    assert names(shortlist.pick("", 3)) == ["share_photo"]


def test_names_of_no_tool_are_refused() -> None:
    with pytest.raises(ConfigError, match="no tools called teleport"):
        Shortlist(three_hundred(), always=["teleport"])
    with pytest.raises(ConfigError, match="no tools called teleport"):
        Shortlist(three_hundred(), queries={"teleport": ["beam me up"]})


def test_descriptions_of_arguments_are_searched() -> None:
    tools = [tool("first", iban="Bank account of the receiver."), tool("second", zip_code="Where the receiver lives.")]
    assert names(Shortlist(tools).pick("which bank?", 1)) == ["first"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("searchHotelRooms", ["search", "hotel", "room"]),
        ("HTTPServer_status2", ["http", "serv", "statu", "2"]),
        ("booking, booked, books, book", ["book"] * 4),
        ("Größe in Zürich", ["grösse", "zürich"]),
        ("what is the", []),
    ],
)
def test_words_are_taken_apart_and_lose_their_endings(text: str, words: list[str]) -> None:
    assert tokens(text) == words


def test_a_query_is_split_at_sentences_commas_and_conjunctions() -> None:
    query = "Book a flight to Rome, reserve a hotel and then email Ada. Thanks!"
    assert intents(query) == ["Book a flight to Rome", "reserve a hotel", "email Ada", "Thanks"]
    assert intents("hello") == ["hello"]
    assert intents("?!") == []


@given(st.text(max_size=60), st.integers(1, 20))
def test_any_query_gives_at_most_k_different_tools_the_same_each_time(query: str, k: int) -> None:
    picked = names(SHORTLIST.pick(query, k))
    assert len(picked) == len(set(picked)) <= k
    assert picked == names(Shortlist(three_hundred()[:40]).pick(query, k))


SHORTLIST = Shortlist(three_hundred()[:40])
