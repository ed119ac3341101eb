//! What the default matchers find without any mark, held against labels and against spellings.

#[path = "detection/score.rs"]
mod score;
#[path = "detection/spellings.rs"]
mod spellings;

use score::{SETS, Score, data, score};

#[test]
fn labelled_data_is_found() {
    let Some(folder) = data() else {
        eprintln!("SIVCAR_DATA is not set: the labelled data is not looked at");
        return;
    };
    for set in SETS {
        let score = score(&folder, &set);
        let Score { hits, false_alarms, misses, others } = &score;
        let (recall, precision) = (score.recall(), score.precision());
        println!("{}: recall {recall:.3} {hits:?}, precision {precision:.3}, other {others:?}", set.documents);
        println!("missed {misses:?}\nfalse {false_alarms:?}");
        assert!(recall >= 0.95 && precision >= 0.85, "{}: recall {recall}, precision {precision}", set.documents);
    }
}
