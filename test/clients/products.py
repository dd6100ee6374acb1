"""Uses a TAXII server as products do that are built on taxii2-client or requests: with their arguments, their order of
calls, and their ways to page and to go on in the next run. What they do with the objects afterwards is left out.
"""

import base64
import itertools
import json
from datetime import datetime, timedelta, timezone

import requests
import stix2
import taxii2client
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
from requests.auth import AuthBase, HTTPBasicAuth
from requests.sessions import CaseInsensitiveDict, merge_setting
from taxii2client import v20, v21
from taxii2client.common import TokenAuth, _HTTPConnection

basic = HTTPBasicAuth(reader, reader_password)
indicators = [new_id("indicator") for _ in range(7)]
groups = [new_id("malware") for _ in range(5)]
taxii_time = "%Y-%m-%dT%H:%M:%S.%fZ"


class HeaderAuth(AuthBase):
    def __init__(self, name, value):
        self.name, self.value = name, value

    def __call__(self, request):
        request.headers[self.name] = self.value
        return request


def publish(title, objects):
    root = v21.ApiRoot(url + "/hub/", user=publisher, password=publisher_password)
    collection = next(one for one in root.collections if one.title == title)
    return collection.add_objects({"objects": objects}, poll_interval=0.05)


def count_of(found):
    """How often ids were found: a client that is served well finds each once."""
    return sorted({found.count(id) for id in found})


class OpenCtiConnector:
    """The calls of OpenCTI's taxii2 connector: one dict of filters for all collections and all runs."""

    def __init__(self, auth):
        self.server = v21.Server(url + "/taxii2/", auth=auth, verify=True, cert=None)
        self.filters = {"limit": 3}

    def run(self, entry, added_after):
        self.filters["added_after"] = added_after
        root_path, title = entry.split(".")
        root = next(root for root in self.server.api_roots if root.url.split("/")[-2] == root_path)
        collections = [one for one in root.collections if title in ("*", one.title)]
        return list(itertools.chain.from_iterable(map(self.poll, collections)))

    def poll(self, collection):
        response = collection.get_objects(**self.filters)
        if not response.get("objects"):
            return []
        if response["objects"][0].get("spec_version", "2.0") == "2.0":
            raise AssertionError("it would now take the server for one of TAXII 2.0")
        found = ids_of(response)
        while response.get("more") is True:
            self.filters.pop("added_after", None)
            self.filters["next"] = response["next"]
            response = collection.get_objects(**self.filters)
            found += ids_of(response)
        return found


@subject
def opencti_connector():
    publish("Indicators", [indicator(id) for id in indicators])
    publish("Groups", [malware(id) for id in groups])
    connector = OpenCtiConnector(basic)
    first = connector.run("hub.*", datetime.now() - timedelta(hours=24))
    last_run = datetime.now(timezone.utc).strftime(taxii_time)
    late = new_id("indicator")
    publish("Indicators", [indicator(late)])
    second = connector.run("hub.*", last_run)
    return {
        "all": set(first) == set(indicators + groups),
        "each": count_of(first),
        "late": late in second,
        "cursor_left_behind": "next" in connector.filters,
    }


@subject
def opencti_connector_one_collection():
    long_ago = datetime.now() - timedelta(hours=24)
    found = OpenCtiConnector(basic).run("hub.Groups", long_ago)
    return {"all": set(found) == set(groups), "each": count_of(found)}


@subject
def opencti_connector_logins():
    long_ago = datetime.now() - timedelta(hours=24)
    return {
        "use_token": len(OpenCtiConnector(TokenAuth(token)).run("hub.Groups", long_ago)),
        "use_apikey": len(OpenCtiConnector(HeaderAuth("X-Api-Key", token)).run("hub.Groups", long_ago)),
        "token_as_password": len(OpenCtiConnector(HTTPBasicAuth(publisher, token)).run("hub.Groups", long_ago)),
        "token_as_user": len(OpenCtiConnector(HTTPBasicAuth(token, "x")).run("hub.Groups", long_ago)),
        "none": OpenCtiConnector(HTTPBasicAuth(None, None)).run("public.*", long_ago),
    }


@subject
def opencti_taxii_post():
    """One object per POST, in a bundle with a spec_version of its own, as STIX; what the status says is not read."""
    address = url + "/" + "hub" + "/collections/" + "78265e96-0d56-4d48-b270-8dcd0251556e" + "/objects/"
    headers = {
        "Content-Type": "application/stix+json; version=2.1",
        "Accept": "application/taxii+json; version=2.1",
        "Authorization": "Bearer " + token,
    }
    answers = []
    for _ in range(3):
        bundle = {"type": "bundle", "spec_version": "2.1", "id": new_id("bundle"), "objects": [malware(new_id("malware"))]}
        answers.append(requests.post(address, headers=headers, json=bundle))
    return [[answer.status_code, answer.json()["success_count"]] for answer in answers]


class XsoarFeed:
    """The calls of the TAXII 2 feed of Cortex XSOAR: 2.1 first, and what it fetched last decides what comes next."""

    def __init__(self, user, password, types):
        self.types = types
        auth, headers = None, {}
        if user == "_api_token_key":
            auth = TokenAuth(key=password)
        elif user.startswith("_header:"):
            headers = {user.split("_header:")[1]: password}
        else:
            auth = HTTPBasicAuth(user, password)
        self.conn = _HTTPConnection(verify=True, proxies=None, version="2.1", auth=auth, cert=None)
        self.conn.session.headers = merge_setting(self.conn.session.headers, headers, dict_class=CaseInsensitiveDict)
        server = v21.Server(url + "/taxii2/", verify=True, proxies=None, conn=self.conn)
        for root in server.api_roots:
            root._conn.close()
        self.root = server.default
        self.root._conn = self.conn

    def collection(self, title):
        return next(one for one in self.root.collections if one.title == title)

    def fetch(self, title, page_size=100, **filters):
        pages = v21.as_pages(self.collection(title).get_objects, per_request=page_size, type=self.types, **filters)
        return [item for page in pages for item in page.get("objects", [])]


@subject
def xsoar_feed():
    types = ["indicator", "malware", "relationship"]
    feed = XsoarFeed(reader, reader_password, types)
    first = feed.fetch("Groups", page_size=2)
    newest = max(item["modified"] for item in first)
    late = new_id("malware")
    publish("Groups", [malware(late)])
    second = feed.fetch("Groups", added_after=newest)
    return {
        "all": sorted(item["id"] for item in first) == sorted(groups),
        "late": late in [item["id"] for item in second],
        "nothing_of_that_type": XsoarFeed(reader, reader_password, ["tool"]).fetch("Groups"),
        "token": len(XsoarFeed("_api_token_key", token, types).fetch("Groups")),
        "header": len(XsoarFeed("_header:X-Api-Key", token, types).fetch("Groups")),
        "taxii_2_0": http_status_of(lambda: v20.Server(url + "/taxii2/", auth=basic).title),
    }


@subject
def misp_modules():
    root = v21.ApiRoot(url + "/hub/", user=reader, password=reader_password)
    address = next(one for one in root.collections if one.title == "Indicators").url

    def query(limit, **filters):
        collection = taxii2client.Collection(address, user=reader, password=reader_password)
        pages = taxii2client.as_pages(collection.get_objects, per_request=min(100, limit), spec_version="2.1", **filters)
        objects = itertools.chain.from_iterable(page.get("objects", []) for page in pages)
        return [item["id"] for item in itertools.islice(objects, 0, limit)]

    return {
        "limited": len(query(3)),
        "types": set(indicators) <= set(query(1000, type="indicator,malware", version="last")),
        "ids": query(1000, id=",".join(indicators[:2])) == indicators[:2],
        "later": query(1000, added_after="2999-01-01T00:00:00Z"),
    }


def fill_envelopes(objects, limit):
    """MISP's way: compact envelopes, each as full as max_content_length allows."""
    texts = [json.dumps(item, separators=(",", ":")) for item in objects]
    filled = []
    for text in texts:
        candidate = ",".join(filled + [text])
        if len('{"objects":[' + candidate + "]}") > limit and filled:
            yield ('{"objects":[' + ",".join(filled) + "]}").encode()
            filled = []
        filled.append(text)
    yield ('{"objects":[' + ",".join(filled) + "]}").encode()


@subject
def misp_taxii_push():
    key = base64.b64encode((publisher + ":" + publisher_password).encode()).decode()
    auth = HTTPBasicAuth(*base64.b64decode(key.encode()).split(b":"))
    base = url + "/" + "hub"
    id = next(one for one in v21.ApiRoot(base + "/", auth=auth).collections if one.title == "Reports").id
    with taxii2client.ApiRoot(base, auth=auth) as root:
        limit = root.max_content_length
    sizes, failures = [], 0
    with taxii2client.Collection(base + "/collections/" + id, auth=auth) as collection:
        for body in fill_envelopes([indicator(new_id("indicator")) for _ in range(100)], limit):
            sizes.append(len(body))
            failures += collection.add_objects(body, wait_for_completion=False).failure_count
        stored = len(collection.get_objects(limit=1000)["objects"])
    return {"failures": failures, "several": len(sizes) > 1, "within": max(sizes) <= limit, "stored": stored}


@subject
def splunk_ctis_app():
    root = v21.ApiRoot(url=url + "/hub/", user=publisher, password=publisher_password)
    collection = {one.id: one for one in root.collections}["78265e96-0d56-4d48-b270-8dcd0251556e"]
    identity = stix2.v21.Identity(name="Example CERT")
    items = [
        stix2.v21.Indicator(pattern="[url:value = 'http://x.example/%d']" % number, pattern_type="stix")
        for number in range(3)
    ]
    grouping = stix2.v21.Grouping(context="suspicious-activity", object_refs=items, created_by_ref=identity)
    answer = collection.add_objects(stix2.v21.Bundle(grouping, identity, items).serialize())._raw
    return {
        "status": answer["status"],
        "successes": sorted(item["id"] for item in answer["successes"])
        == sorted(item.id for item in [grouping, identity, *items]),
    }


@subject
def google_secops():
    collections = v21.Server(url=url + "/taxii2/", user=reader, password=reader_password).default.collections
    start = (datetime.now(timezone.utc) - timedelta(minutes=10)).strftime(taxii_time)
    found = []
    for collection in filter(lambda one: one.title in ["Indicators", "Groups"], collections):
        for page in v21.as_pages(collection.get_objects, per_request=1000, added_after=start, type="indicator"):
            if not page.get("objects"):
                break
            found += ids_of(page)
    return {"all": set(indicators) <= set(found), "each": count_of(found)}


@subject
def fortisoar():
    """Its Content-Type is no media type, and its health check asks for TAXII 2.0 unless Accept is a custom header."""
    root, login = url + "/hub/", requests.auth._basic_auth_str(reader, reader_password)

    def get(path, params=None, **headers):
        return requests.get(root + path, params=params, headers={"Authorization": login, **headers})

    asked = {"Content-Type": "taxii+json;version=2.1", "Accept": "application/taxii+json;version=2.1"}
    accept = get("", **asked).headers["Content-Type"]
    ids = [one["id"] for one in get("collections/", Accept=accept).json()["collections"]]
    params = {"added_after": "2020-01-01T00:00:00.000Z"}
    found = []
    for id in ids:
        path = "collections/" + id + "/objects"
        answer = get(path, params, **asked).json()
        found += ids_of(answer)
        while answer.get("next"):
            answer = get(path + "?next=" + answer["next"], params, **asked).json()
            found += ids_of(answer)
    health = {"Content-Type": "application/json", "Accept": "application/vnd.oasis.taxii+json;version=2.0"}
    return {
        "all": set(indicators) <= set(found),
        "each": count_of(found),
        "health": get("", **health).status_code,
        "health_with_custom_header": get("", Accept=asked["Accept"]).status_code,
    }


if __name__ == "__main__":
    run()
