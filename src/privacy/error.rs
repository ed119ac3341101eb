//! Why a record is refused: one bounded code per reason, and nothing of the record.

use std::fmt;

/// The reason a record goes to the dead letters instead of the outputs. The codes are an interface: the header
/// `sivcar-reason`, the label of the metric and the text of `sivcar protect` all show [`Reason::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each is its own code; docs/formats.md tells when it applies
pub enum Reason {
    TooLarge,
    NotUtf8,
    ByteOrderMark,
    JsonSyntax,
    TooDeep,
    StringTooLong,
    TrailingBytes,
    RootNotObject,
    LayoutAmbiguous,
    LayoutMismatch,
    IdMissing,
    WorkspaceInvalid,
    WorkspaceUnknown,
    ProfileWithoutKey,
    ProfileKeyMismatch,
    KeysetMissing,
    Identification,
    NumberOutOfRange,
    OutputTooLarge,
    BrokerRefused,
    ClearUnderMark,
}

impl Reason {
    /// Every reason, for tables and metrics.
    pub const ALL: [Reason; 21] = [
        Reason::TooLarge,
        Reason::NotUtf8,
        Reason::ByteOrderMark,
        Reason::JsonSyntax,
        Reason::TooDeep,
        Reason::StringTooLong,
        Reason::TrailingBytes,
        Reason::RootNotObject,
        Reason::LayoutAmbiguous,
        Reason::LayoutMismatch,
        Reason::IdMissing,
        Reason::WorkspaceInvalid,
        Reason::WorkspaceUnknown,
        Reason::ProfileWithoutKey,
        Reason::ProfileKeyMismatch,
        Reason::KeysetMissing,
        Reason::Identification,
        Reason::NumberOutOfRange,
        Reason::OutputTooLarge,
        Reason::BrokerRefused,
        Reason::ClearUnderMark,
    ];

    /// The reason's code, lower case with underscores; never changes once released.
    pub fn code(self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::NotUtf8 => "not_utf8",
            Reason::ByteOrderMark => "byte_order_mark",
            Reason::JsonSyntax => "json_syntax",
            Reason::TooDeep => "too_deep",
            Reason::StringTooLong => "string_too_long",
            Reason::TrailingBytes => "trailing_bytes",
            Reason::RootNotObject => "root_not_object",
            Reason::LayoutAmbiguous => "layout_ambiguous",
            Reason::LayoutMismatch => "layout_mismatch",
            Reason::IdMissing => "id_missing",
            Reason::WorkspaceInvalid => "workspace_invalid",
            Reason::WorkspaceUnknown => "workspace_unknown",
            Reason::ProfileWithoutKey => "profile_without_key",
            Reason::ProfileKeyMismatch => "profile_key_mismatch",
            Reason::KeysetMissing => "keyset_missing",
            Reason::Identification => "identification",
            Reason::NumberOutOfRange => "number_out_of_range",
            Reason::OutputTooLarge => "output_too_large",
            Reason::BrokerRefused => "broker_refused",
            Reason::ClearUnderMark => "clear_under_mark",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for Reason {}
