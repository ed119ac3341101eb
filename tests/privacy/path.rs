//! The path language prints back whatever it reads.

use proptest::prelude::*;

use crate::common::checks::path_round_trips;

proptest! {
    #[test]
    fn what_is_read_prints_back(text in "[a$.'*\\[\\]ż]{0,12}|\\$?(\\.?('(''|[a.*])*'|[ab]|\\*{1,2})(\\[\\])?){0,5}|(?s:.{0,24})") {
        path_round_trips(&text);
    }
}
