/** Every rule of TAXII 2.1 in our own words: the titles of the tests in this folder begin with these numbers. */

export interface Rule {
  /** `T-` and three digits. */
  readonly number: string;
  /** As in the standard; `derived`, `RFC`, `silent` and `AMBIGUOUS` say where else it comes from. */
  readonly level: string;
  /** Sections of the standard, or of what it builds on. */
  readonly section: string;
  readonly requirement: string;
  /** Why no test carries the number. */
  readonly untested: string | undefined;
}

const untested: Readonly<Record<string, string>> = {
  'T-023': 'client; what the server answers: T-035',
  'T-024': 'client',
  'T-170': "the operator's name server; the README names the record",
  'T-171': 'client',
  'T-330': 'client',
  'T-430': 'a liberty that this server does not take',
  'T-445': 'client certificates are not taken',
  'T-520': 'client',
  'T-521': 'client',
  'T-522': 'client',
  'T-523': 'client',
  'T-524': 'client',
  'T-530': 'the sum of all others',
};

// number | level | section | requirement
const table = `
T-001 | MUST | 2, 8.2.1(5), 1.6.7, App. B | TAXII resources are UTF-8 encoded JSON (RFC 8259, I-JSON RFC 7493).
T-002 | MUST | 2 | Booleans are the literals true/false, never strings or numbers.
T-003 | MUST | 2 | A TAXII identifier (collection id, status id) is an RFC 4122 version-4 UUID.
T-004 | MUST | 2 | Integers are whole numbers within +/-(2^53-1) unless a property narrows this.
T-005 | MUST | 2 | A list always has at least one value; an empty list never replaces an omitted optional property.
T-006 | MUST | 2 | All members of a list of type X are of type X.
T-007 | MUST | 2 | Strings are Unicode, carried as UTF-8.
T-008 | MUST | 2 | A TAXII timestamp is RFC 3339 in the exact form YYYY-MM-DDTHH:MM:SS.ssssssZ, i.e. always six fractional digits (unlike STIX).
T-009 | MUST | 2 | TAXII timestamps are in UTC with the designator Z.
T-010 | MUST | 3.8 | Property names and literals are spelled exactly as in the tables, case included.
T-011 | MUST | 3.8, 8.1.2(2) | Properties marked required are present in every serialization of that resource.
T-012 | MUST | 8.2.1(6) | Every property obeys its data type and its own normative text.
T-020 | MUST (client) | 3.1 | A path without its last '/' is a client's fault that the standard leaves open: the same resource is served, never a redirect.
T-021 | MUST | 3.1 | A 2xx answer that may have a body carries the body defined for that endpoint.
T-022 | MAY | 3.1, 3.6 | A 4xx or 5xx may have the TAXII error message as its body; ours always has.
T-023 | MUST (client) | 3.1 | Every request has an Accept header with at least one TAXII media range.
T-024 | SHOULD (client) | 3.1 | Clients add the version parameter to what they accept.
T-025 | MUST | 3.1, tables of 4 and 5 | Every answer has application/taxii+json;version=2.1 as its Content-Type.
T-026 | SHOULD | 3.1, 1.6.8.2 | If Accept has no version parameter, the server answers with the highest version it supports.
T-027 | MUST NOT | 3.1 | A media type defined for the endpoint in Accept never results in 406.
T-028 | MUST NOT | 3.1, 1.6.8.2 | The version parameter is optional: Accept: application/taxii+json never results in 406.
T-029 | MUST NOT | 3.1 | A POST whose Content-Type is defined for the endpoint never results in 415.
T-030 | MUST NOT | 3.1, 1.6.8.2 | Content-Type application/taxii+json without version never results in 415.
T-031 | MAY | 3.1 | An Accept that names only foreign types may be served; ours is.
T-032 | MAY | 3.1 | A body of another Content-Type may be refused with 415; ours is, and nothing is stored.
T-033 | MUST | 3.1, 1.6.8, RFC 7231 5.3.2, RFC 7230 7 | Accept is a list: several types and header lines, q-values, blanks and tabs, any case, quoted values, empty elements.
T-034 | (silent) | RFC 7231 5.3.2 | Wildcards match, although clients must name a TAXII range too.
T-035 | MUST | 3.1, 4/5 tables (406) | A missing, empty, malformed or foreign Accept is served, or refused with 406; never a 5xx.
T-036 | MUST (client) | 3.1 | Every POST has valid Accept and Content-Type headers.
T-037 | (RFC) | RFC 7231 5.3.1 | q=0 means not acceptable.
T-038 | (silent) | 3.1, 4/5 tables | An Accept that names only other versions of TAXII is a 406.
T-039 | MUST NOT | 5.3 table, 3.1 | A manifest accepts the Accept that its own table names, TAXII and STIX together.
T-040 | MUST | 3.1 | The tables of sections 4 and 5 bind: methods, parameters, status codes, header fields, payloads.
T-041 | MAY | 8.2.1(4), RFC 7231 6.5.5 | A method that an endpoint has not is a 405 with Allow, and changes nothing.
T-042 | (RFC) | RFC 7231 4.1 | HEAD goes with GET.
T-044 | (de facto) | - | The media type is spelled byte for byte as the reference client compares it.
T-050 | MUST | 3.2 | The 200 of a manifest carries X-TAXII-Date-Added-First and -Last, both TAXII timestamps.
T-051 | MUST | 3.2 | So does the 200 of objects.
T-052 | MUST | 3.2 | So does the 200 of one object.
T-053 | MUST | 3.2 | So does the 200 of versions.
T-054 | MUST | 3.2 | So does each later page of these.
T-056 | MUST | 3.2 | First is the date_added of the first, Last of the last object of this response (page).
T-057 | MUST | 3.2 | On a manifest they agree with its own records.
T-059 | AMBIGUOUS | 3.2 | An empty page has no dates, so it has neither header.
T-060 | (RFC) | 3.4 note, RFC 7231 7.1.1.2 | Date lets clients correct their clocks.
T-061 | SHOULD (client) | 3.2, 8.4.1 | Clients send User-Agent.
T-062 | SHOULD NOT | 8.2.1(7) | A valid request without User-Agent is not rejected.
T-070 | MUST | 3.3 | Objects endpoints return objects ascending by the date they were added.
T-071 | MUST | 3.3 | A manifest ascends by date_added too.
T-072 | MUST | 3.3 | Collections come in the same order on every request.
T-073 | AMBIGUOUS | 5.8, 3.3 | Versions ascend by date_added.
T-080 | MUST | 3.4, 3.1 | Endpoints filter as section 3.4 says; without parameters the last version of every object is requested.
T-081 | MUST | 3.4 | A malformed query parameter is a 400; here added_after: no time, empty, two values, an impossible date.
T-083 | MUST | 3.4 | limit is an integer > 0, else 400.
T-085 | AMBIGUOUS | 3.4 | An unknown next is a 400.
T-086 | MUST | 3.4 | added_after keeps what was added strictly later, to the microsecond, on objects, manifest, object and versions.
T-087 | MUST (client) | 3.4 | added_after occurs at most once and holds one timestamp.
T-089 | MUST | 3.4 | Without added_after the oldest matching objects come first.
T-090 | MUST | 3.4 | added_after has nothing to do with timestamps inside the objects.
T-091 | AMBIGUOUS | 2, 3.4 | added_after may have any precision and offset: real clients send milliseconds, seconds, +00:00.
T-092 | MUST | 3.4, 3.5 | No more objects than limit; if objects were left out, more is true.
T-093 | MUST | 3.4 | If the result fits both limits, all of it is in the response.
T-094 | MAY | 3.4 | The server may return fewer than limit; a large limit is no error.
T-095 | MUST NOT | 3.4 | Never more objects than limit.
T-096 | MUST | 3.4 | Different match fields are ANDed.
T-097 | MUST | 3.4 | Comma separated values of one field are ORed.
T-098 | MUST NOT (client) | 3.4 | Each match field occurs once per request.
T-099 | MAY | 3.4 | Unknown match fields may be ignored.
T-100 | (silent) | - | Unknown parameters are ignored.
T-101 | MUST | 3.4.1 | match[id] with one id gives that object.
T-102 | MUST | 3.4.1 | match[id] with several ids gives their union; unknown ones are ignored.
T-103 | MUST | 3.4.1, 5.4 | match[id] with no hit is no error.
T-104 | MUST NOT | 3.4.1 | With match[spec_version] no other specification version is returned (SCOs count as 2.1).
T-105 | MUST | 3.4.1 | Without match[spec_version] only the latest specification version of each object is returned.
T-106 | MUST | 3.4.1 | match[type] lets only the listed types through.
T-107 | MUST NOT | 3.4.1 | A type defined by STIX 2.1 never causes an error.
T-108 | MAY | 3.4.1 | Other types may be served.
T-109 | MUST | 3.4.1 | Without match[version] only the latest version of each object matching the rest of the request is returned.
T-110 | MUST | 3.4.1 | match[version]=last is the latest version, and the default.
T-111 | MUST | 3.4.1 | match[version]=first is the version with the smallest modified, whenever it was added.
T-112 | MUST | 3.4.1 | match[version]=all is every version; the latest is the one with the greatest modified.
T-113 | MUST | 3.4.1 | A timestamp selects the version whose modified is that instant exactly; no hit is an empty answer.
T-114 | MAY (client) | 3.4.1 | Several timestamps may be given.
T-115 | MUST | 3.4.1 | Keywords and timestamps of match[version] combine into a union.
T-116 | MUST | 3.4.1 | An object without modified is versioned by created.
T-117 | SHOULD | 3.4.1 | An object without modified and created has a server-chosen, consistent version.
T-118 | MUST NOT (client) | 3.4.1 | No value of match[version] stands there twice.
T-119 | MUST NOT (client) | 3.4.1 | all stands alone in match[version].
T-120 | MUST | 3.4, 3.4.1 | A malformed version value gives 400.
T-122 | MUST | RFC 3986 6.2.2 | Percent-encoded brackets, commas and values are equivalent.
T-124 | MUST | 5.3, 3.4 | A manifest honours the same match fields.
T-125 | AMBIGUOUS | 3.4.1 | first and last belong to the object in its collection; added_after filters what is left.
T-130 | MUST | 3.5 | A walk by next delivers every matching object once.
T-131 | (silent) | 3.5 | The same next again, after a lost answer, gives the same page.
T-132 | MAY (client) | 3.5 | A client may page by X-TAXII-Date-Added-Last in place of next; then a page must not end among equal date_added.
T-133 | MUST | 3.7, 5.3.1 | The last page has more false or absent, and no next.
T-134 | MAY | 3.5, 3.7 | next may be given when more is true.
T-135 | MAY | 3.5 | An empty page may follow more, when what it held was deleted.
T-136 | MUST | App. B | next is client input: it is re-evaluated in the context of the query given.
T-137 | MUST (derived) | 3.3, 3.5 | A walk gives what was there before it once, whatever is added meanwhile; that comes last.
T-138 | MUST (derived) | 3.4, 3.5 | Polls by added_after lose nothing: date_added has the order in which versions become visible.
T-139 | (silent) | 3.5 | next goes with the same query; another limit beside it is a liberty.
T-140 | MUST | 3.5, 5.3 | A manifest is paged by next like objects, although its table forgot to name it (cti-taxii2 issue 110).
T-143 | MUST | App. B | A cursor of another collection, or tampered, opens nothing foreign.
T-144 | MUST | 3.5, 3.4 | Walks under match[version] give the right set.
T-145 | MUST (derived) | 3.5 | Deletions during a walk take nothing else away from it.
T-146 | MUST (derived) | 3.5 | An object that gets new versions during a walk is still seen.
T-147 | (silent) | 3.5 | date_added is unique in its collection and rises in commit order.
T-148 | SHOULD | App. B | The server bounds the number of objects per response.
T-150 | MUST | 3.6.1 | An error has a title; the rest is optional: strings, but details an object.
T-151 | MUST | 3.6.1 | http_status equals the HTTP status (as a string).
T-153 | MUST | 3.1, tables of 4 and 5 | Failure responses of the tables carry the TAXII Content-Type with version.
T-155 | MUST | 3.6 | Standard HTTP semantics for 4xx/5xx.
T-156 | SHOULD | App. B | Errors tell nothing of the inside or of hidden resources.
T-160 | MUST | 3.7 | STIX content is delivered in an envelope, never a bundle or bare object.
T-161 | MUST | 3.7 | more is a boolean, false when absent; next a string; objects a list of STIX objects.
T-163 | MUST | 3.7, 5.4, 5.6, 2 | Without an object the envelope has no objects.
T-164 | MUST | 3.7 | List members are STIX objects (SDO, SCO, SRO, language-content, marking-definition).
T-165 | MAY | 3.7 | next may be populated if more is true.
T-166 | MUST (derived) | 3.7, 8.2.1(5) | Objects come back as they were sent (all properties, custom ones, Unicode, precision).
T-170 | MUST | 3.9 | An SRV record, if published, is _taxii2._tcp.<domain>.
T-171 | SHOULD (client) | 8.4.2(1) | Clients can look up the SRV record.
T-180 | MUST | 4.1 | GET /taxii2/ answers 200 with a discovery resource; 401/403/404/406 otherwise.
T-181 | MUST | 8.2.1(1) | The discovery URL is /taxii2/ at the root of the server.
T-182 | MUST | 4.1.1 | Discovery has a title.
T-183 | MUST | 4.1.1 | description and contact of discovery are strings, if there.
T-185 | MUST | 4.1.1 | default of discovery is one of its api_roots, the same string.
T-186 | MUST | 4.1.1, 8.2.1(2), 2 | api_roots of discovery is a list of strings with at least one, if there.
T-187 | MUST | 4.1.1 | URLs of API roots are absolute and https, or begin with one '/', and have no query.
T-188 | MAY | 4.1.1 | api_roots may be filtered by who asks.
T-189 | MAY | 1.6.9, 4.1 | Discovery may need a login.
T-190 | SHOULD | 4.1, 4.2 | The API roots that are named work, also under parallel requests.
T-191 | MUST (config) | 4.1.1 | Every API root that the caller may see is named.
T-200 | MUST | 4.2 | GET {api-root}/ answers 200 with an api-root resource.
T-201 | MUST | 4.2 | Each API root has a unique URL.
T-202 | MUST | 4.2.1 | An API root has a title; its description is a string, if there.
T-204 | MUST | 4.2.1 | versions of an API root has application/taxii+json;version=2.1.
T-205 | MUST | 4.2.1 | versions of an API root are TAXII media types with their version.
T-206 | MUST | 4.2.1 | max_content_length of an API root is a whole number above 0, in bytes.
T-207 | MUST NOT | 4.2.1 | A body shorter than max_content_length is never a 413.
T-208 | MUST | 4.2, 5.x tables | An unknown API root is a 404, with all below it.
T-209 | MAY | 4.2 | API roots may differ in whom they admit.
T-220 | MUST | 4.3 | GET {api-root}/status/{id}/ answers 200 with the status resource.
T-221 | SHOULD | 4.3 | A status is kept at least 24 h after processing ended.
T-222 | MUST | 4.3 | An unknown or expired status id gives 404.
T-223 | MUST | 4.3.1 | A status has an id, a UUID of version 4, the same in the answer to the POST and in GET.
T-224 | MUST | 4.3.1 | A status is complete or pending.
T-225 | MUST | 4.3.1 | request_timestamp, optional, is a TAXII timestamp.
T-226 | MUST | 4.3.1 | A status has total_count, a whole number from 0.
T-227 | MUST | 4.3.1 | A status has success_count, a whole number from 0.
T-228 | MUST | 4.3.1 | A status has failure_count, a whole number from 0.
T-229 | MUST | 4.3.1 | A status has pending_count, a whole number from 0.
T-230 | MUST (derived) | 4.3.1 | total_count is the number of objects sent, and the sum of the other counts; when complete none is pending.
T-231 | MUST | 4.3.1, 2 | successes, failures and pendings are lists with at least one entry of id and version, if there.
T-233 | MUST | 4.3.1 | An entry of a status has the STIX id, and modified as its version.
T-234 | MUST | 4.3.1 | Without modified the version in a status is created.
T-235 | SHOULD | 4.3.1 | Without either the version in a status is of our choice, the same everywhere.
T-237 | MUST | 4.3.1 | A complete status changes no more.
T-238 | MUST | 4.3.1 | total_count is 0 only before processing has begun.
T-239 | MUST | 4.3 table | A status id that is none is a 404.
T-250 | MUST | 5.1, 5.1.1 | Collections are a 200; without one the list is left out.
T-252 | MUST | 5.1, 5.2 | Collections need the login that others need.
T-253 | MUST | 5.2.1 | A collection has an id, a UUID of version 4.
T-254 | MUST | 5.2.1 | A collection has a title.
T-255 | MUST | 5.2.1 | description of a collection is a string, if there.
T-256 | MUST | 5.2.1 | alias of a collection is a string, unique in its API root, if there.
T-257 | MUST | 5.2.1 | A collection has can_read, true or false, for who asks.
T-258 | MUST | 5.2.1 | A collection has can_write, true or false, for who asks.
T-259 | MUST | 5.2.1 | media_types of a collection is a list of strings with at least one, if there.
T-260 | MUST | 5.2.1 | media_types of a collection names all that it can hold.
T-262 | MUST | 5.2 | A collection by its id is the resource of the list.
T-263 | MUST (if used) | 5.2.1 | An alias stands for the id in every path.
T-264 | MUST | 5.2..5.8 tables | An unknown collection gives 404 on each endpoint.
T-265 | (RFC) | RFC 3986 | A percent-encoded collection id is the same collection.
T-266 | MUST | 5.2.1 | The flags tell the requester's true rights.
T-280 | MUST | 5.3 | A manifest has one record for each version that is selected.
T-281 | MUST | 5.3.1 | A record has id, date_added and version; media_type is a string, if there.
T-282 | MUST | 5.3.1 | A record's id is the STIX id.
T-283 | MUST | 5.3.1 | A record's date_added is a TAXII timestamp.
T-284 | MUST | 5.3.1 | A record's version is modified, else created, else of our choice.
T-285 | MUST | 5.3.1 | A record's media_type is one of the collection's.
T-286 | MUST | 5.3.1 | A manifest without a record has no objects.
T-288 | MUST | 5.3 | Filters of a manifest look at the objects, not at the records.
T-289 | MUST | 5.3 | A manifest without the right to read is a 403 or 404.
T-292 | MUST (derived) | 5.3.1 | date_added belongs to that version and does not change.
T-293 | MUST | 5.3 | Filtering is identical to Get Objects.
T-301 | MUST | 5.4 | Objects without the right to read are a 403 or 404.
T-302 | MUST | 5.4 | Objects are a 200 with an envelope, filtered as section 3.4 says.
T-304 | MUST | 5.4 | No hit is an empty envelope, no 404.
T-320 | MUST | 5.5 table | POST answers 202 with a status resource.
T-322 | MUST | 5.5 | A POST without the right to write is a 403 or 404.
T-324 | MUST NOT | 5.5 | An exact duplicate of a stored object is no error for that object.
T-325 | MUST (derived) | 5.5, 5.3.1 | A duplicate is stored once (also under concurrent posts).
T-326 | MUST | 5.5 table, 4.2.1 | A payload above max_content_length gives 413.
T-327 | MAY | 5.5 table | A body of a type that is not taken is a 415.
T-328 | MUST | 5.5 table | A body that cannot be understood is a 400 or 422.
T-329 | MUST | 5.5 table | An Accept that excludes us is a 406 that stores nothing.
T-330 | SHOULD (client) | 5.5 | Clients poll the status until complete.
T-331 | MUST (client) | 5.5 | STIX content is posted in an envelope; all STIX 2.1 types are possible.
T-332 | MUST (derived) | 4.3.1 | One bad object takes nothing away from the others.
T-333 | MUST | 5.5 table | A POST to an unknown collection is a 404.
T-334 | MUST (derived) | 4.3.1 | What is a success can be read.
T-335 | MUST (derived) | 3.4.1 | Another modified is another version.
T-336 | MUST (derived) | 5.5 | The same object twice in an envelope is stored once.
T-337 | AMBIGUOUS | 5.5 | Other content under the id and modified of a stored version is a failure; never both are kept.
T-338 | AMBIGUOUS | 5.5, 3.7 | A bundle in place of an envelope is taken, its objects are stored.
T-340 | AMBIGUOUS | 3.7, 2 | An envelope without objects is refused.
T-341 | (RFC) | RFC 7230 4.1 | Chunked bodies are taken.
T-342 | (RFC) | RFC 7231 5.1.1 | Expect: 100-continue is answered.
T-343 | (RFC) | RFC 7231 3.1.2.2 | gzip bodies are taken.
T-344 | (RFC) | RFC 8259 8.1 | A byte order mark is no JSON, or is taken; never a crash.
T-360 | MUST | 5.6 | An object by its id is a 200 with an envelope of its latest version.
T-361 | MUST | 5.6 table | An unknown object is a 404.
T-362 | MUST | 5.6 | match[version] works on an object.
T-363 | MUST | 5.6 table | match[spec_version] works on an object.
T-364 | AMBIGUOUS | 5.6 | Match fields that the endpoint has not are ignored.
T-365 | MUST | 5.6 table | added_after, limit and next work on an object.
T-366 | AMBIGUOUS | 5.6 | An object whose versions are all filtered away is an empty envelope.
T-367 | MUST | 5.6 | An object without the right to read is a 403 or 404.
T-369 | (RFC) | RFC 3986 | A percent-encoded id is the same object.
T-380 | MUST | 5.7 | DELETE answers 200.
T-381 | MUST | 5.7 table | The answer to DELETE has a Content-Type and no body.
T-382 | MUST | 5.7 | What was deleted is a 404, and gone from objects and manifest.
T-383 | MUST | 5.7 | Any object can be deleted, observables and markings too.
T-384 | MUST | 5.7 | match[version] restricts a deletion.
T-385 | MUST | 5.7 | DELETE needs both rights: neither is a 404, one of them a 403.
T-388 | MUST | 5.7 table | match[spec_version] restricts a deletion.
T-389 | AMBIGUOUS | 5.7, 3.4.1 | DELETE without match[version] removes every version.
T-390 | MUST (derived) | 3.4 | What is deleted and added again has a new date_added.
T-391 | MAY | 5.7 | Other collections may drop the object too.
T-392 | MUST | 5.7 table | A DELETE whose Accept excludes us is a 406 and deletes nothing.
T-394 | MUST | 5.7 table | DELETE of an unknown object, or a second time, is a 404.
T-395 | MUST | 3.4 | A malformed match[version] is a 400 and deletes nothing.
T-400 | MUST | 5.8 | Versions are a 200 with modified of every version; match[version] is no parameter there.
T-402 | MUST | 5.8 | Versions of an object without modified have created.
T-403 | MUST | 5.8 table | Versions of an unknown object are a 404.
T-404 | MUST | 5.8 | Versions without the right to read are a 403 or 404.
T-405 | MUST | 5.8 table, 5.8.1 | limit, more and next work on versions.
T-407 | MUST | 5.8 table | match[spec_version] works on versions.
T-408 | MUST | 5.8.1 | Where no version is left the list is left out.
T-410 | MUST | 3.4 | A malformed limit or added_after is a 400 on object and versions too.
T-420 | MUST | 5.1..5.8, 1.6.9 | A login that fails is a 401 with WWW-Authenticate.
T-421 | MUST | 1.6.9, RFC 7235 4.1 | The challenge is well formed; Basic has a realm.
T-422 | MUST | 5.x | A wrong password and an unknown user are a 401.
T-423 | SHOULD | 8.2.2(5) | HTTP Basic is implemented.
T-425 | MUST (derived) | 1.6.9 | Malformed Authorization is refused, not a crash.
T-426 | MUST | 5.x tables, App. B | Without rights it is 403 or 404, and nothing tells what exists from what does not.
T-427 | (RFC) | RFC 7235 2.1 | Names of authentication schemes have no case.
T-429 | MAY | 1.6.9, 8.2.2(8) | Objects or optional properties may be withheld per client.
T-430 | MAY | 8.2.2(6,9,10) | Schemes may be disabled; authentication may be disabled; unauthorized requests may be ignored.
T-440 | MUST | 8.2.2(1) | The server speaks HTTPS.
T-441 | MUST | 8.2.2(2) | TLS 1.2 is accepted.
T-442 | SHOULD | 8.2.2(2) | TLS 1.3 is accepted.
T-443 | MUST NOT | 8.2.2(3) | TLS early data is not taken.
T-444 | SHOULD NOT | 8.2.2(4) | Cipher suites of TLS 1.2 without forward secrecy or authenticated encryption are refused.
T-445 | SHOULD | 8.3.1 | Client certificates, if used, are verified by PKIX.
T-460 | MAY | 7.1.1 | Unknown properties of a request are ignored or refused with 422.
T-461 | MUST/SHOULD | 7.1.1 | Names of custom properties: a-z, 0-9 and _, 3 to 250 characters, with a prefix of their source.
T-462 | SHOULD | 7.1.1 | Custom properties only where none of the standard fits.
T-470 | MUST | App. B | next is neither trusted nor evaluated out of context.
T-472 | SHOULD | App. B | Expensive queries and long documents are bounded.
T-475 | (derived) | App. B, RFC 1738 6 | Paths never leave the server's own resources.
T-500 | (derived) | 3.6, RFC 7231 6.6 | Client faults are 4xx, never 5xx.
T-501 | (RFC) | RFC 7230 6.3 | Connections are kept alive.
T-502 | (RFC) | RFC 7230 6.6, 9.5 | A refused body leaves the framing of the connection intact.
T-503 | (RFC) | RFC 7231 | GET with a Content-Type is served.
T-504 | (RFC) | RFC 7233 3.1 | Range: items of TAXII 2.0 is ignored.
T-520 | MUST | 8.4.2(2) | Clients parse all properties of sections 4 and 5.
T-521 | MUST | 8.5.1 | Clients speak HTTPS with TLS 1.2 and HTTP Basic.
T-522 | SHOULD | 8.5.2 | Clients verify certificates by PKIX.
T-523 | SHOULD | 4.3 | Clients do not poll a completed status again.
T-524 | MAY | 7.1.1 | Clients ignore unknown properties.
T-530 | MUST | 8.1 | A TAXII 2.1 server supports sections 3, 4 and 5, all required properties, and 8.2.
`;

function parseRule(line: string): Rule {
  const [number = '', level = '', section = '', requirement = ''] = line.split(' | ');
  return { number, level, section, requirement, untested: untested[number] };
}

export const rules: readonly Rule[] = table.trim().split('\n').map(parseRule);
