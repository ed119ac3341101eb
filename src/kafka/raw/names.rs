//! The names of librdkafka's properties.
//!
//! Always holds: what librdkafka gave is copied and given back to it.

use std::ffi::CStr;

use rdkafka::ClientConfig;
use rdkafka::bindings as native;

/// Every global property's name but for aliases; none where librdkafka does not tell.
pub(in crate::kafka) fn properties() -> Vec<String> {
    let Ok(config) = ClientConfig::new().create_native_config() else { return Vec::new() };
    let mut count = 0;
    // SAFETY: the configuration lives until the end of this function; the array has `count` texts, name and value in turn, and
    // is not used after it was given back
    unsafe {
        let texts = native::rd_kafka_conf_dump(config.ptr(), &mut count);
        let name = |at: usize| CStr::from_ptr(*texts.add(at)).to_string_lossy().into_owned();
        let names = (0..count).step_by(2).map(name).collect();
        native::rd_kafka_conf_dump_free(texts, count);
        names
    }
}
