//! What the values below a key belong to: a person, an address, a place, a thing.
//!
//! `name` under a person is a name, under an app, a product or a campaign it is none. A word that says nothing leaves what holds around
//! it. Deliberately not here: any path.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What the values below a key belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing that is known.
    #[default]
    Open,
    /// A person, or an organisation's one.
    Person,
    /// Where a person lives or gets something.
    Address,
    /// A shop, an office: its address is no person's.
    Place,
    /// Anything else that has a name.
    Thing,
}

const PERSONS: &str = "user person people customer client consumer shopper buyer purchaser profile trait traits contact member subscriber \
    patient employee worker staff candidate applicant student pupil teacher professor doctor physician nurse guest visitor \
    passenger traveler traveller driver rider author owner sender recipient receiver beneficiary payer payee cardholder \
    holder account accountholder assignee reporter creator editor reviewer approver manager supervisor lead invitee attendee participant \
    respondent child parent mother father spouse husband wife partner sibling son daughter family relative kin guardian \
    dependent dependant friend colleague agent broker tenant landlord resident citizen individual human identity personal \
    insured policyholder borrower lender donor volunteer winner player caller callee signer signatory witness billing \
    biller speaker organizer organiser follower";

const ADDRESSES: &str = "address addresses addr residence shipping delivery location home dwelling domicile billingaddress \
    shippingaddress homeaddress mailingaddress postaladdress deliveryaddress userlocation";

const PLACES: &str = "store shop outlet branch venue warehouse merchant restaurant hotel company organization organisation office \
    school university hospital clinic airport station vendor supplier seller retailer business employer manufacturer carrier bank \
    depot origin hub facility";

const THINGS: &str = "app application product item sku article offer variant campaign promotion coupon voucher discount os device library sdk \
    framework engine platform plugin extension package module component service event page screen view file document folder \
    attachment image video audio media song track album playlist movie film show episode book chapter game level tournament league \
    match sport category subcategory brand model collection catalog catalogue cart basket plan subscription tier segment audience cohort group team \
    department division list form survey question answer choice quiz test experiment variation template integration connector \
    destination network browser agent useragent webpage site website domain server node cluster instance topic queue bucket database \
    schema table column row field property param parameter key label type class feature flag rule policy function method \
    action step workflow pipeline process procedure job task project board sprint issue ticket incident alert priority status role permission scope \
    currency language locale timezone region color colour style theme icon font button link url menu tab widget banner ad \
    adset creative keyword channel source medium content post comment blog news newsletter message notification metric dimension \
    measure goal funnel report dashboard chart tag hashtag badge reward achievement character pet animal vehicle car model option \
    setting config configuration environment deployment release version build repository commit container pod interest industry hit filter \
    course lesson subject exam invoice shipment parcel tracking payment transaction currencyinfo encryption sensor chip processor cpu gpu \
    display battery interface adapter protocol header cookie pixel wizard bundle license certificate medication";

static SCOPES: LazyLock<HashMap<&'static str, Scope>> = LazyLock::new(|| {
    // where a word stands twice the last list counts
    let lists = [(PERSONS, Scope::Person), (PLACES, Scope::Place), (THINGS, Scope::Thing), (ADDRESSES, Scope::Address)];
    lists.into_iter().flat_map(|(words, scope)| words.split_whitespace().map(move |word| (word, scope))).collect()
});

impl Scope {
    /// What the word, in lower case, says of the values below; `None`: nothing.
    pub(super) fn of(word: &str) -> Option<Scope> {
        let known = |word: &str| SCOPES.get(word).copied();
        known(word).or_else(|| singulars(word).find_map(known))
    }
}

/// What `word` may be the plural of.
pub(super) fn singulars(word: &str) -> impl Iterator<Item = &str> {
    [word.strip_suffix("es"), word.strip_suffix('s')].into_iter().flatten().filter(|word| word.len() > 1)
}
