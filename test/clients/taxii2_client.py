"""Uses a TAXII server through the reference clients."""

import json

import stix2
from driver import (
    http_status_of,
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
    token,
    url,
)
from requests.auth import AuthBase
from stix2 import Filter
from stix2.datastore.taxii import TAXIICollectionSink, TAXIICollectionSource
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages


def connect(user=publisher, password=publisher_password):
    return Server(url + "/taxii2/", user=user, password=password)


def find_collection(title, user=publisher, password=publisher_password):
    for root in connect(user, password).api_roots:
        for collection in root.collections:
            if collection.title == title:
                return collection
    raise LookupError(title)


def describe_status(status):
    return {
        "status": status.status,
        "total": status.total_count,
        "success": status.success_count,
        "failure": status.failure_count,
        "pending": status.pending_count,
        "successes": sorted(detail["id"] for detail in status.successes),
        "failures": sorted(detail["id"] for detail in status.failures),
    }


# What the subjects share: 23 indicators, one of them in three versions, two malware objects and an address.
indicators = [new_id("indicator") for _ in range(23)]
versions = ["2024-01-01T00:00:00.000Z", "2024-01-02T00:00:00.500Z", "2024-01-03T00:00:00.123Z"]
malwares = [new_id("malware") for _ in range(2)]
address = stix2.IPv4Address(value="203.0.113.7")
published = (
    [indicator(id) for id in indicators]
    + [indicator(indicators[0], version, "later") for version in versions[1:]]
    + [malware(id) for id in malwares]
    + [json.loads(address.serialize())]
)


@subject
def discovery():
    server = connect()
    return {
        "title": server.title,
        "default": server.default.title,
        "roots": sorted(root.url for root in server.api_roots),
    }


@subject
def roots():
    return [
        {"title": root.title, "versions": root.versions, "limited": root.max_content_length > 0}
        for root in connect().api_roots
    ]


@subject
def collections():
    return sorted(
        [collection.title, collection.can_read, collection.can_write, collection.media_types]
        for root in connect().api_roots
        for collection in root.collections
    )


@subject
def add_envelope():
    collection = find_collection("Indicators")
    status = collection.add_objects({"objects": published}, poll_interval=0.05)
    shown = describe_status(status)
    status.refresh()
    root = ApiRoot(collection.url.split("collections/")[0], user=publisher, password=publisher_password)
    return {
        "first": shown,
        "refreshed": describe_status(status) == shown,
        "by_id": describe_status(root.get_status(status.id)) == shown,
        "complete": bool(status),
        "published": sorted(item["id"] for item in published),
    }


@subject
def add_without_waiting():
    status = find_collection("Groups").add_objects({"objects": [malware(malwares[0])]}, wait_for_completion=False)
    status.wait_until_final(poll_interval=0.05)
    return describe_status(status)["success"]


@subject
def add_bundle():
    good, bad = indicator(new_id("indicator")), indicator(new_id("indicator"))
    del bad["pattern"]
    bundle = {"type": "bundle", "id": new_id("bundle"), "objects": [good, bad]}
    status = find_collection("Reports").add_objects(json.dumps(bundle))
    shown = describe_status(status)
    return {"status": shown, "good": good["id"], "bad": bad["id"], "said": status.failures[0].get("message", "") != ""}


@subject
def pages():
    collection = find_collection("Indicators", reader, reader_password)
    result = {}
    for size in (1, 2, 3, 7, 26, 100):
        found = list(as_pages(collection.get_objects, per_request=size))
        result[size] = [[len(page["objects"]) for page in found], [id for page in found for id in ids_of(page)]]
    return result


@subject
def manifest_pages():
    collection = find_collection("Indicators", reader, reader_password)
    result = {}
    for size in (1, 4, 26, 100):
        found = list(as_pages(collection.get_manifest, per_request=size, version="all"))
        records = [record for page in found for record in page["objects"]]
        result[size] = {
            "sizes": [len(page["objects"]) for page in found],
            "ids": [record["id"] for record in records],
            "rising": all(a["date_added"] < b["date_added"] for a, b in zip(records, records[1:])),
            "media_types": sorted({record["media_type"] for record in records}),
        }
    return result


@subject
def one_object():
    collection = find_collection("Indicators")
    id = indicators[0]
    return {
        "latest": [item["modified"] for item in collection.get_object(id)["objects"]],
        "all": [item["modified"] for item in collection.get_object(id, version="all")["objects"]],
        "exact": [item["modified"] for item in collection.get_object(id, version=versions[1])["objects"]],
        "two": [item["modified"] for item in collection.get_object(id, version=["first", versions[1]])["objects"]],
        "versions": collection.object_versions(id)["versions"],
        "serial": str(collection.get_object(id)["objects"][0]["x_serial"]),
        "missing": http_status_of(lambda: collection.get_object(new_id("indicator"))),
    }


@subject
def filters():
    collection = find_collection("Indicators")
    records = collection.get_manifest(version="all")["objects"]
    after = records[19]["date_added"]
    return {
        "added_after": ids_of(collection.get_objects(added_after=after, version="all"))
        == [record["id"] for record in records[20:]],
        "added_after_newest": collection.get_objects(added_after=records[-1]["date_added"], version="all"),
        "type": sorted(ids_of(collection.get_objects(type="malware"))) == sorted(malwares),
        "types": sorted(ids_of(collection.get_objects(type=["malware", "ipv4-addr"]))) == sorted(malwares + [address.id]),
        "id": ids_of(collection.get_objects(id=indicators[5])) == [indicators[5]],
        "ids": sorted(ids_of(collection.get_objects(id=indicators[3:9]))) == sorted(indicators[3:9]),
        "first": [item["modified"] for item in collection.get_objects(id=indicators[0], version="first")["objects"]],
        "last": [item["modified"] for item in collection.get_objects(id=indicators[0], version="last")["objects"]],
        "exact": ids_of(collection.get_objects(version=versions[2])) == [indicators[0]],
        "spec_version": len(ids_of(collection.get_objects(spec_version="2.1"))),
        "other_spec_version": collection.get_objects(spec_version="2.0"),
        "combined": ids_of(collection.get_objects(type="malware", id=[malwares[1], indicators[1]])) == [malwares[1]],
        "manifest": sorted(ids_of(collection.get_manifest(type="malware"))) == sorted(malwares),
        "unknown_type": collection.get_objects(type="tool"),
    }


@subject
def delete():
    collection = find_collection("Reports")
    id = new_id("indicator")
    collection.add_objects({"objects": [indicator(id, version) for version in versions]})
    collection.delete_object(id, version=versions[1])
    left = collection.object_versions(id)["versions"]
    collection.delete_object(id)
    return {
        "left": left,
        "gone": http_status_of(lambda: collection.get_object(id)),
        "again": http_status_of(lambda: collection.delete_object(id)),
        "refused": http_status_of(lambda: find_reader_collection().delete_object(indicators[1])),
    }


def find_reader_collection():
    """The reader's view of the indicators, claiming a right that the reader lacks, so that the server must refuse."""
    seen = find_collection("Indicators", reader, reader_password)
    claimed = dict(seen._raw, can_write=True)
    return Collection(seen.url, user=reader, password=reader_password, collection_info=claimed)


@subject
def refusals():
    hidden = find_collection("Submissions").url
    return {
        "wrong_password": http_status_of(lambda: connect(reader, "wrong").title),
        "no_password": http_status_of(lambda: ApiRoot(url + "/hub/").title),
        "hidden": http_status_of(lambda: Collection(hidden, user=reader, password=reader_password).title),
        "write": http_status_of(lambda: find_reader_collection().add_objects({"objects": [malware(malwares[0])]})),
        "parameter": http_status_of(lambda: find_collection("Indicators").get_objects(added_after="yesterday")),
    }


@subject
def public_without_login():
    root = ApiRoot(url + "/public/")
    return {"title": root.title, "rights": [[one.can_read, one.can_write] for one in root.collections]}


class Bearer(AuthBase):
    def __call__(self, request):
        request.headers["Authorization"] = "Bearer " + token
        return request


@subject
def bearer_token():
    return Server(url + "/taxii2/", auth=Bearer()).title


@subject
def stix2_source():
    source = TAXIICollectionSource(find_collection("Indicators", reader, reader_password), items_per_page=5)
    return {
        "get": str(source.get(indicators[0]).name),
        "get_missing": source.get(new_id("indicator")),
        "all_versions": len(source.all_versions(indicators[0])),
        "query": len(source.query([])),
        "by_type": sorted(item.id for item in source.query([Filter("type", "=", "malware")])) == sorted(malwares),
        "by_address": source.get(address.id).value,
        "remote_and_local": [
            item.id == indicators[0]
            for item in source.query([Filter("type", "=", "indicator"), Filter("name", "=", "later")])
        ],
        "added_after": source.query([Filter("added_after", "=", "2999-01-01T00:00:00Z")]),
    }


@subject
def stix2_sink():
    collection = find_collection("Vulnerabilities")
    sink, source = TAXIICollectionSink(collection), TAXIICollectionSource(collection)
    items = [stix2.v21.Vulnerability(name="v%d" % number) for number in range(6)]
    sink.add(items[0])
    sink.add(stix2.v21.Bundle(items[1:3]))
    sink.add(items[3:5])
    sink.add(items[5].serialize())
    return [source.get(item.id) == item for item in items]


if __name__ == "__main__":
    run()
