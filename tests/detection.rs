//! What the default matchers find without any mark, held against labels and against spellings.

#[path = "detection/score.rs"]
mod score;
#[path = "detection/spellings.rs"]
mod spellings;

use std::path::Path;

use score::{Score, data, lines, score};
use sivcar::config::{Config, Surroundings};
use sivcar::privacy::settings::Source;

const SOURCES: &str = "[keys]\nfile = 'keyset.json'\n[kafka]\n'bootstrap.servers' = '127.0.0.1:1'\n\
    [[layout]]\nname = 'users'\nid = 'id'\nattributes = ['$']\n\
    [[source]]\ntopic = 'events'\nkind = 'event'\nlayout = 'segment'\nworkspace = 'acme'\nprotected = 'p'\ndead-letters = 'd'\n\
    [[source]]\ntopic = 'profiles'\nkind = 'profile'\nlayout = 'users'\nworkspace = 'acme'\nprotected = 'q'\ndead-letters = 'd'\n";

fn sources() -> Vec<Source> {
    let around = Surroundings { name: "test", folder: Path::new(""), environment: &|_| None, host: "host" };
    Config::parse(SOURCES, &around).expect("the configuration is sound").settings.sources
}

#[test]
fn labelled_data_is_found() {
    let Some(data) = data() else {
        eprintln!("SIVCAR_DATA is not set: the labelled data is not looked at");
        return;
    };
    let sources = sources();
    for (file, labels, source) in
        [("segment-events.ndjson", "segment-events.json", 0), ("profiles.ndjson.gz", "profiles.json", 1)]
    {
        let score = score(&lines(&data.join(file)), &sources[source], &data.join("labels").join(labels));
        let Score { hits, false_alarms, misses, others } = &score;
        println!(
            "{file}: recall {:.3} ({hits:?}), precision {:.3}, other {others:?}\nmissed {misses:?}\nfalse {false_alarms:?}",
            score.recall(),
            score.precision()
        );
        assert!(score.recall() >= 0.95, "{file}");
        assert!(score.precision() >= 0.85, "{file}");
    }
}
