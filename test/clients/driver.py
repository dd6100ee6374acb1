"""What the drivers share. A driver uses a TAXII server through one client and prints what the client saw.

Arguments of every driver: URL of the server, a publisher's name and password, a reader's name and password, a token of
the publisher. Output: one JSON line per subject.
"""

import json
import sys
import traceback
import uuid

from requests.exceptions import HTTPError, RequestException

url, publisher, publisher_password, reader, reader_password, token = sys.argv[1:]
subjects = []


def subject(function):
    subjects.append(function)
    return function


def new_id(type):
    return type + "--" + str(uuid.uuid4())


def indicator(id, modified="2024-01-01T00:00:00.000Z", name="n"):
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": id,
        "created": "2024-01-01T00:00:00.000Z",
        "modified": modified,
        "name": name,
        "pattern": "[ipv4-addr:value = '198.51.100.1']",
        "pattern_type": "stix",
        "valid_from": "2024-01-01T00:00:00Z",
        "x_serial": 12345678901234567890,
    }


def malware(id):
    return {
        "type": "malware",
        "spec_version": "2.1",
        "id": id,
        "created": "2024-02-01T00:00:00.000Z",
        "modified": "2024-02-01T00:00:00.000Z",
        "name": "m",
        "is_family": False,
    }


def http_status_of(call):
    try:
        call()
    except HTTPError as error:
        return error.response.status_code
    return None


def ids_of(envelope):
    return [item["id"] for item in envelope.get("objects", [])]


def run():
    for function in subjects:
        try:
            line = {"subject": function.__name__, "saw": function()}
        except Exception as error:  # The test shows it under the subject's name.
            body = error.response.text if isinstance(error, RequestException) and error.response is not None else ""
            line = {"subject": function.__name__, "error": traceback.format_exc() + body}
        print(json.dumps(line), flush=True)
