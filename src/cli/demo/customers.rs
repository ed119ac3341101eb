//! The demo's customers: invented people, and what they do in an invented shop. The same seed gives the same people and deeds.

use fake::Fake;
use fake::faker::address::en::{BuildingNumber, CityName, StreetName, ZipCode};
use fake::faker::company::en::CompanyName;
use fake::faker::name::en::{FirstName, LastName};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::record::Record;

/// One invented person.
pub struct Customer {
    /// The profile's id.
    pub id: u64,
    /// First and last name.
    pub name: String,
    /// The e-mail address; unique, at a domain that nobody can own.
    pub email: String,
    /// The telephone number.
    pub phone: String,
    /// Street and number.
    pub street: String,
    city: String,
    zip: String,
}

/// All customers, and the chance that decides what they do next.
pub struct Customers {
    people: Vec<Customer>,
    chance: StdRng,
    deeds: u64,
}

/// What customers do, and how often in proportion.
const DEEDS: [(&str, u32); 4] = [("page.view", 6), ("form.submit", 3), ("cart.add", 3), ("order.paid", 1)];

impl Customers {
    /// `count` people, drawn from `seed`.
    pub fn new(count: u64, seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let people = (1..=count).map(|id| person(id, &mut chance)).collect();
        Self { people, chance, deeds: 0 }
    }

    /// The people.
    pub fn people(&self) -> &[Customer] {
        &self.people
    }

    /// The profile record of each person, keyed by id.
    pub fn profiles(&self) -> impl Iterator<Item = Record> {
        self.people.iter().map(|person| {
            let attributes = person.attributes();
            let document = json!({"workspace": "acme", "id": person.id, "attributes": attributes});
            record(person.id, &document)
        })
    }

    /// What happens next: one event, keyed by its profile's id.
    pub fn event(&mut self) -> Record {
        self.deeds += 1;
        let person = &self.people[self.chance.random_range(0..self.people.len())];
        let mut draw = self.chance.random_range(0..DEEDS.iter().map(|(_, share)| share).sum());
        let drawn = DEEDS.iter().find(|(_, share)| {
            let found = draw < *share;
            draw = draw.saturating_sub(*share);
            found
        });
        let action = drawn.map_or("page.view", |(action, _)| action);
        let params = match action {
            "page.view" => json!({"uri": format!("/p/{}", self.chance.random_range(1..500))}),
            "form.submit" => json!({"form": "newsletter", "attributes": person.attributes()}),
            "cart.add" => {
                json!({"sku": self.chance.random_range(1000..9999), "by": CompanyName().fake_with_rng::<String, _>(&mut self.chance)})
            }
            _ => json!({"total": f64::from(self.chance.random_range(100..99_999)) / 100.0, "items": [{"qty": 1}]}),
        };
        let client = json!({"id": person.id, "email": person.email, "phone": person.phone});
        let document =
            json!({"workspace": "acme", "action": action, "no": self.deeds, "client": client, "params": params});
        record(person.id, &document)
    }
}

impl Customer {
    fn attributes(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "email": self.email,
            "phone": self.phone,
            "address": {"street": self.street, "city": self.city, "zip": self.zip},
            "newsletter": self.id.is_multiple_of(2),
        })
    }
}

fn person(id: u64, chance: &mut StdRng) -> Customer {
    let first: String = FirstName().fake_with_rng(chance);
    let last: String = LastName().fake_with_rng(chance);
    let ascii = |name: &str| name.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
    let number: String = BuildingNumber().fake_with_rng(chance);
    let street: String = StreetName().fake_with_rng(chance);
    Customer {
        id,
        email: format!("{}.{}.{id}@example.com", ascii(&first), ascii(&last)),
        name: format!("{first} {last}"),
        phone: format!("+1 555 {:03} {:04}", chance.random_range(100..1000), chance.random_range(0..10_000)),
        street: format!("{number} {street}"),
        city: CityName().fake_with_rng(chance),
        zip: ZipCode().fake_with_rng(chance),
    }
}

fn record(key: u64, document: &serde_json::Value) -> Record {
    let (key, value) = (Some(key.to_string().into_bytes()), Some(document.to_string().into_bytes()));
    Record { key, value, ..Record::default() }
}
