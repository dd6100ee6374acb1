//! Uses a TAXII server through the crate stix2 and prints what it saw, one JSON line per subject.
//!
//! Arguments: URL of the server, a publisher's name and password, a reader's name and password, a token.

use serde_json::{from_value, json, Value};
use std::error::Error;
use stix2::core::id::Identifier;
use stix2::core::stix_object::StixObject;
use stix2::datastore::taxii::{ObjectsParams, TaxiiClient, TaxiiCollectionStore};
use stix2::datastore::Filter;

type Seen = Result<Value, Box<dyn Error>>;

const ROOT: &str = "hub";
const COLLECTION: &str = "91a7b528-80eb-42ed-a74d-c6fbd5a26116";

fn indicator(number: usize, modified: &str) -> Value {
    json!({
        "type": "indicator",
        "spec_version": "2.1",
        "id": format!("indicator--6f4e3d2c-1b0a-4f9e-8d7c-{number:012}"),
        "created": "2024-01-01T00:00:00.000Z",
        "modified": modified,
        "name": "n",
        "pattern": "[ipv4-addr:value = '198.51.100.1']",
        "pattern_type": "stix",
        "valid_from": "2024-01-01T00:00:00Z",
        "external_references": [{ "source_name": "test", "external_id": "1" }]
    })
}

fn objects() -> Result<Vec<StixObject>, Box<dyn Error>> {
    let malware = json!({
        "type": "malware",
        "spec_version": "2.1",
        "id": "malware--6f4e3d2c-1b0a-4f9e-8d7c-000000000099",
        "created": "2024-01-01T00:00:00.000Z",
        "modified": "2024-01-01T00:00:00.000Z",
        "name": "m",
        "is_family": false,
        "external_references": [{ "source_name": "test", "external_id": "1" }]
    });
    let indicators = (0..6).map(|number| indicator(number, "2024-01-01T00:00:00.000Z"));
    let later = indicator(0, "2024-01-02T00:00:00.500Z");
    let all = indicators.chain([later, malware]);
    Ok(all.map(from_value).collect::<Result<_, _>>()?)
}

fn id_of(number: usize) -> Result<Identifier, Box<dyn Error>> {
    Ok(from_value(indicator(number, "")["id"].clone())?)
}

async fn discovery(client: &TaxiiClient) -> Seen {
    let discovery = client.discover().await?;
    let root = client.get_api_root(ROOT).await?;
    let collections = client.get_collections(ROOT).await?.collections;
    let collection = client.get_collection(ROOT, COLLECTION).await?;
    Ok(json!({
        "title": discovery.title,
        "roots": discovery.api_roots.len(),
        "versions": root.versions,
        "collections": collections.len(),
        "collection": collection.title,
    }))
}

async fn publish(client: &TaxiiClient) -> Seen {
    let status = client.add_objects(ROOT, COLLECTION, objects()?).await?;
    let again = client.get_status(ROOT, &status.id).await?;
    Ok(json!({
        "status": status.status,
        "total": status.total_count,
        "failures": status.failures,
        "again": again.success_count,
    }))
}

/// The crate writes `"external_references":[]` where an object has none, which STIX 2.1 §2.12 forbids.
async fn empty_list(client: &TaxiiClient) -> Seen {
    let mut object = indicator(50, "2024-01-01T00:00:00.000Z");
    object["external_references"] = json!([]);
    let status = client.add_objects(ROOT, COLLECTION, vec![from_value(object)?]).await?;
    Ok(json!(status
        .failures
        .into_iter()
        .map(|failure| failure.message)
        .collect::<Vec<_>>()))
}

async fn pages(client: &TaxiiClient) -> Seen {
    let mut sizes = Vec::new();
    let mut params = ObjectsParams::new().limit(3).added_after("2024-01-01T00:00:00.000Z");
    loop {
        let envelope = client.get_objects(ROOT, COLLECTION, Some(&params)).await?;
        sizes.push(envelope.objects.len());
        match envelope.next {
            Some(next) if envelope.more => params = params.next(next),
            _ => return Ok(json!(sizes)),
        }
    }
}

async fn manifest(client: &TaxiiClient) -> Seen {
    let params = ObjectsParams::new().version("all").type_("indicator");
    Ok(json!(client
        .get_manifest(ROOT, COLLECTION, Some(&params))
        .await?
        .objects
        .len()))
}

async fn store(client: TaxiiClient) -> Seen {
    let store = TaxiiCollectionStore::new(client, ROOT, COLLECTION).with_items_per_page(2);
    let first = store.get(&id_of(0)?).await?;
    Ok(json!({
        "rights": [store.can_read().await?, store.can_write().await?],
        "all": store.get_all().await?.len(),
        "of_type": store.query(&[Filter::eq("type", "malware")]).await?.len(),
        "modified": first.and_then(|object| object.modified()),
        "versions": store.all_versions(&id_of(0)?).await?.len(),
        "missing": store.get(&id_of(77)?).await?.is_none(),
    }))
}

async fn delete(client: &TaxiiClient) -> Seen {
    let id = id_of(1)?.to_string();
    client.delete_object(ROOT, COLLECTION, &id).await?;
    Ok(json!(client.get_object(ROOT, COLLECTION, &id).await?.objects.len()))
}

async fn refusal(client: TaxiiClient) -> Seen {
    Ok(json!(client
        .get_collections(ROOT)
        .await
        .map(|_| ())
        .map_err(|error| error.to_string())
        .err()))
}

fn print(subject: &str, seen: Seen) {
    let line = match seen {
        Ok(saw) => json!({ "subject": subject, "saw": saw }),
        Err(error) => json!({ "subject": subject, "error": error.to_string() }),
    };
    println!("{line}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, publisher, publisher_password, reader, reader_password, _token] = args.as_slice() else {
        return Err("six arguments are needed".into());
    };
    let client = TaxiiClient::with_auth(url, publisher, publisher_password)?;
    print("discovery", discovery(&client).await);
    print("publish", publish(&client).await);
    print("empty_list", empty_list(&client).await);
    print("pages", pages(&client).await);
    print("manifest", manifest(&client).await);
    print(
        "store",
        store(TaxiiClient::with_auth(url, reader, reader_password)?).await,
    );
    print("delete", delete(&client).await);
    print("refusal", refusal(TaxiiClient::with_auth(url, reader, "wrong")?).await);
    Ok(())
}
