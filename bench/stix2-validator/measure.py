"""Checks the objects of a bundle one by one for so many seconds, and prints how many a second."""

import json
import sys
import time

from stix2validator import ValidationOptions, validate_instance

path, seconds = sys.argv[1], float(sys.argv[2])
with open(path, encoding="utf-8") as file:
    objects = json.load(file)["objects"]

options = ValidationOptions(version="2.1", strict=False)
validate_instance(objects[0], options)  # loads its schemas

done = 0
start = time.process_time()
for instance in objects:
    validate_instance(instance, options)
    done += 1
    if time.process_time() - start > seconds:
        break
elapsed = time.process_time() - start
print(f"{done / elapsed:.0f} objects/s (the first {done} of {len(objects)})")
