"""Uses a TAXII server through Cyware's cytaxii2 and CloudCover's cc-taxii2-client."""

import json

from cc_taxii2_client import CCTaxiiClient
from cytaxii2.cytaxii2 import cytaxii2
from driver import (
    ids_of,
    indicator,
    malware,
    new_id,
    publisher,
    publisher_password,
    reader,
    reader_password,
    run,
    subject,
    url,
)

# CloudCover's client takes these properties, every one, and no other.
indicators = [
    {
        **{key: value for key, value in indicator(new_id("indicator")).items() if key != "x_serial"},
        "description": "d%d" % number,
        "pattern_version": "2.1",
    }
    for number in range(8)
]
ids = [item["id"] for item in indicators]
collection = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
cyware = cytaxii2(url + "/taxii2/", publisher, publisher_password)


def pages(limit, **filters):
    result, next = [], None
    while True:
        answer = cyware.poll_request(collection, limit=limit, next=next, **filters)["response"]
        result.append(ids_of(answer))
        if not answer["more"]:
            return result
        next = answer["next"]


@subject
def cytaxii2_inbox():
    bundle = {"type": "bundle", "id": new_id("bundle"), "objects": indicators + [malware(new_id("malware"))]}
    answer = cyware.inbox_request(collection, json.dumps(bundle))
    return [answer["status"], answer["status_code"], answer["response"]["success_count"]]


@subject
def cytaxii2_discovery():
    return {
        "title": cyware.discovery_request()["response"]["title"],
        "root": cyware.root_discovery()["response"]["title"],
        "collections": len(cyware.collection_request()["response"]["collections"]),
        "collection": cyware.collection_data_request(collection)["response"]["title"],
    }


@subject
def cytaxii2_poll():
    return {
        "sizes": [len(page) for page in pages(4)],
        "of_type": [id for page in pages(3, object_type="indicator") for id in page] == ids,
        "by_id": pages(3, object_id=ids[1]) == [[ids[1]]],
        "later": cyware.poll_request(collection, added_after="2999-01-01T00:00:00Z")["response"],
    }


@subject
def cytaxii2_refusal():
    answer = cytaxii2(url + "/taxii2/", publisher, "wrong").discovery_request()
    return [answer["status"], answer["status_code"], answer["response"]["http_status"]]


def connect_cloudcover():
    """It is built for one server and takes the account's name for the API root: both are set to ours."""
    client = CCTaxiiClient(reader, reader_password)
    client.url, client.account = url, "hub"
    return client


def cloudcover_ids(**filters):
    client = connect_cloudcover()
    found = client.get_cc_indicators_generator(collection, private=True, matches={"type": "indicator"}, **filters)
    return [[item.id for item in page] for page in found]


@subject
def cc_taxii2_client():
    return {
        "collections": collection in connect_cloudcover().get_collections("hub"),
        "one_page": cloudcover_ids(limit=3) == [ids[:3]],
        "pages": cloudcover_ids(limit=3, follow_pages=True) == [ids[:3], ids[3:6], ids[6:]],
        "later": cloudcover_ids(added_after="2999-01-01T00:00:00.0Z", follow_pages=True),
    }


if __name__ == "__main__":
    run()
