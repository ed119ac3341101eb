//! The default matchers: the vocabulary by which a key's name tells what it holds.
//!
//! A term is written as words with spaces between, and is found in any style of writing: `first name` in `firstName`, `FIRST_NAME` and
//! `firstname`. It must be the head of the name, that is its end: `userEmail` is an e-mail address, `emailCount` is none. No term is
//! written for a single path. Deliberately not here: what values look like ([`super::values`]).

use super::{Risk, Rule};
use crate::privacy::mask::Mask;

/// A default matcher without any term.
const NONE: Rule = Rule {
    name: "",
    risk: Risk::Yellow,
    mask: Mask::Full,
    terms: "",
    bare: "",
    in_address: "",
    not_after: "",
    tells_by_truth: false,
    never_a_number: false,
};

const RED: Rule = Rule { risk: Risk::Red, ..NONE };

/// Words of places: where nobody lives.
const NOT_OF_PERSONS: &str = "store shop branch company venue warehouse merchant";

/// The default matchers, the red ones first.
pub(super) const DEFAULTS: &[Rule] = &[
    Rule {
        name: "social security number",
        terms: "ssn, social security, social security number, social security no, social sec, ss number, ssn last four, social \
            insurance, social insurance number, national insurance, national insurance number, nino, itin, \
            sozialversicherungsnummer",
        ..RED
    },
    Rule {
        name: "password",
        terms: "password, passwd, passwort, pwd, pass code, pass phrase, passwords, pass key, security answer, secret answer, secret \
            question answer, security pin, user pass, haslo, contrasena, mot de passe, credentials, credential",
        ..RED
    },
    Rule {
        name: "visa",
        terms: "visa, visa status, visa type, visa category, visa class, visa number, immigration status, work permit, residence \
            permit, residency status, green card",
        tells_by_truth: true,
        ..RED
    },
    Rule {
        name: "veteran",
        terms: "veteran, veteran status, protected veteran, military status, military service, military veteran, armed forces \
            status, military",
        tells_by_truth: true,
        ..RED
    },
    Rule {
        name: "disability",
        terms: "disability, disabilities, disability status, disability type, handicap, handicapped, impairment, special needs, \
            disabled person, is disabled person",
        tells_by_truth: true,
        ..RED
    },
    Rule {
        name: "credit card",
        terms: "credit card, cc, ccn, cc num, cc no, card number, card num, card no, card pan, pan, debit card, payment card, bank \
            card, card holder number, cvv, cvc, cvn, csc, card code, card security code, card verification value, card \
            verification code, card expiry, card expiration, card expiration date, card expiry date, card exp, cc exp, card last \
            four, card last, credit card expiry, primary account number, iban, bank account, bank account number, account iban, \
            kreditkarte, carte bancaire, tarjeta",
        not_after: "gift loyalty score report",
        ..RED
    },
    Rule {
        name: "passport",
        terms: "passport, passport id, passport code, travel document, travel document number, reisepass, paszport, pasaporte",
        ..RED
    },
    Rule {
        name: "token",
        terms: "token, tokens, jwt, id token, access token, refresh token, auth token, api token, api key, api secret, app secret, \
            client secret, consumer secret, shared secret, secret, secret key, access key, private key, signing key, encryption \
            key, session key, session token, bearer, authorization, authorisation, csrf, xsrf, otp, one time password, one time \
            code, verification code, recovery code, mfa code, auth code, authorization code, totp",
        not_after: "page next previous prev continuation cursor sync max min total prompt completion input output design css stop used \
            remaining",
        ..RED
    },
    Rule {
        name: "race",
        terms: "racial group, racial origin, racial background, racial identity",
        bare: "race, races",
        ..NONE
    },
    Rule {
        name: "birthdate",
        terms: "birth date, date of birth, birth day, birth year, year of birth, birth month, month of birth, day of birth, dob, \
            born, born on, born at, bday, birth, geburtsdatum, data urodzenia, fecha nacimiento, fecha de nacimiento, date de \
            naissance, date naissance, birth dt",
        ..NONE
    },
    Rule {
        name: "phone",
        terms: "phone, tele phone, phone number, phone no, phone num, mobile, mobile number, mobile no, mobile phone, cell phone, \
            cell number, msisdn, fax, fax number, tel, tel no, tel number, contact number, contact no, caller id, caller number, \
            callee number, whats app, whats app number, whats app id, sms number, landline, telefon, telefono, telefone, numer \
            telefonu, celular, phones, ph no, ph number, phone ext",
        not_after: "i windows smart head micro type spread table grid",
        ..NONE
    },
    Rule {
        name: "address",
        mask: Mask::Word,
        terms: "home address, postal address, mailing address, billing address, shipping address, delivery address, residential \
            address, residence address, street address, address line, address street, residence, domicile, province, province \
            code, county, apartment, apartment number, apt number, flat number, house number, house no, unit number, po box, \
            adresse, direccion, adres, wohnort, suburb, address full, full address, addr line, formatted address",
        bare: "address, addr, addresses",
        in_address: "country, country code, country name, state, state code, state name, state or province, region, region code, region \
            name, line, line one, line two, lines, unit, building, floor, apt, suite, house, district, area, neighborhood, \
            neighbourhood, name line, landmark, formatted, care of, sub region, territory, prefecture",
        not_after: "ip mac email mail web site website url wallet contract memory bitcoin btc eth crypto server host network bus gateway \
            listen bind store shop branch company venue warehouse merchant page token",
        ..NONE
    },
    Rule {
        name: "gender",
        terms: "gender, gender identity, gender code, geschlecht, genero, plec, pronouns, pronoun, preferred pronouns",
        ..NONE
    },
    Rule {
        name: "ethnicity",
        terms: "ethnicity, ethnic, ethnic group, ethnic origin, ethnic background, ethnic code, ethnicities, ethnicity code, tribe, \
            caste",
        ..NONE
    },
    Rule {
        name: "citizenship",
        terms: "citizenship, citizenship status, citizenship country, country of citizenship, citizen, citizen of, nationality, \
            nationalities, country of birth, birth country, place of birth, birth place, birth city, country of origin citizen, \
            staatsangehorigkeit, obywatelstwo, nationalitat, us citizen, citizenships",
        tells_by_truth: true,
        ..NONE
    },
    Rule {
        name: "name",
        mask: Mask::Word,
        terms: "first name, last name, middle name, given name, family name, surname, maiden name, mothers maiden name, fore name, \
            middle initial, middle initials, birth name, f name, l name, m name, name first, name last, name middle, card \
            holder, account holder, person name, customer name, client name, contact name, patient name, employee name, father \
            name, mother name, spouse name, owner name, recipient name, sender name, holder name, vorname, nachname, prenom, nom \
            de famille, apellido, apellidos, imie, nazwisko, cognome, voornaam, achternaam, given names, first names, last \
            names, middle names, f names, patronymic, name prefix, name suffix, christian name, emergency contact, next of kin",
        bare: "name, names, user name, display name, full name, legal name, preferred name, nick name, name full, real name, second \
            name, alias",
        never_a_number: true,
        ..NONE
    },
    Rule {
        name: "street",
        mask: Mask::Word,
        terms: "street, street name, street line, street no, street number, street one, street two, strasse, calle, rue, ulica, \
            straat",
        not_after: NOT_OF_PERSONS,
        ..NONE
    },
    Rule {
        name: "city",
        mask: Mask::Word,
        terms: "city, cities, city name, home town, town, town name, locality, municipality, city of residence, city town, ciudad, \
            ville, stadt, miasto, cidade, village",
        not_after: NOT_OF_PERSONS,
        never_a_number: true,
        ..NONE
    },
    Rule {
        name: "zipcode",
        terms: "zip, zip code, zip four, postal, postal code, post code, postal zip, zip postal, zip or postal code, pin code, plz, \
            postleitzahl, codigo postal, code postal, eircode, kod pocztowy, cap code, zip ext, zip plus, postal code ext",
        not_after: "g seven file store shop branch company venue warehouse merchant",
        ..NONE
    },
    Rule {
        name: "email",
        mask: Mask::Word,
        terms: "email, email address, email addr, mail, mail address, email id, emails, correo, correo electronico, courriel, email \
            addresses, mailbox, reply to",
        not_after: "in voice junk web snail air",
        never_a_number: true,
        ..NONE
    },
    Rule {
        name: "certificate",
        terms: "birth certificate, marriage certificate, death certificate, medical certificate, certificate number, certificate no, \
            certificate id, cert number, cert no, certification number",
        bare: "certificate, certificates, cert, certs",
        not_after: "ssl tls ca root server gift",
        ..NONE
    },
    Rule {
        name: "license",
        terms: "drivers license, driver license, driving license, drivers licence, driver licence, driving licence, license number, \
            licence number, license no, licence no, license plate, licence plate, license plate number, number plate, plate \
            number, dl number, dl no, license id, licence id, license code, medical license, registration plate, fuhrerschein, \
            prawo jazdy, permis de conduire",
        bare: "license, licence, licenses, licences",
        not_after: "software app package open source",
        ..NONE
    },
    Rule {
        name: "identification",
        terms: "identification, identification number, identification no, identification code, id number, id no, national id, \
            national id number, national identity number, identity number, identity card, identity card number, identity document, identity no, id \
            card, id card number, government id, gov id, govt id, state id, tax id, tax number, tax id number, tax \
            identification number, tax payer id, tax payer number, tax code, personal id, personal number, personal \
            identification number, id document, id document number, citizen id, resident id, pesel, nip, cpf, cnpj, curp, rfc \
            number, dni, nif, bsn, aadhaar, aadhar, aadhaar number, codice fiscale, personnummer, document number, voter id, \
            medical record number, mrn, health insurance number, insurance number, nhs number, medicare number, personalausweis, \
            dowod osobisty, nin, tin, nric",
        not_after: "order product item invoice case ticket device session vehicle",
        ..NONE
    },
    Rule {
        name: "serial",
        terms: "serial number, serial no, serial num, serial code, serial id, device serial, hardware serial, imei, imei number, \
            meid, imsi, iccid, udid, vin, vin number, vehicle identification number, vehicle identification, chassis number, sn \
            number",
        bare: "serial, serials",
        ..NONE
    },
    Rule {
        name: "ip",
        terms: "ip, ips, ip address, ipv address, ip addr, ip addresses, ipv, ipv four, ipv six, remote addr, remote address, x forwarded for, \
            forwarded for, x real ip, client addr, inet addr, peer address",
        not_after: "vo",
        ..NONE
    },
    Rule {
        name: "photo",
        terms: "photo graph, photo id, avatar, avatars, profile image, profile img, profile photo, profile picture, profile pic, \
            selfie, head shot, mug shot, user image, user photo, face image, passport photo, facial image, face scan, finger \
            print, biometric, biometrics, biometric data, thumb print, retina scan, iris scan, gravatar",
        bare: "photo, photos, picture, pictures, pic, pics, portrait",
        not_after: "product item cover category brand hotel room property listing menu store banner master",
        never_a_number: true,
        ..NONE
    },
    Rule {
        name: "salary",
        terms: "salary, salaries, base salary, annual salary, salary amount, salary range, wage, wages, income, annual income, \
            household income, monthly income, income amount, income level, income range, income bracket, compensation, total \
            compensation, remuneration, pay rate, pay grade, hourly rate, base pay, gross pay, net pay, take home pay, gehalt, \
            net worth, wynagrodzenie, salario",
        not_after: "company operating ad net operating",
        ..NONE
    },
    Rule {
        name: "religion",
        terms: "religion, religions, religious, religious affiliation, religious belief, religious beliefs, religious preference, \
            religious group, religious denomination, faith, church membership, confession of faith, wyznanie, creed",
        not_after: "good bad",
        ..NONE
    },
    Rule {
        name: "mac",
        terms: "mac address, mac addr, mac addresses, mac id, wifi mac, ethernet mac, bluetooth mac, device mac, hardware address, \
            hw address, hw addr, ethernet address, bluetooth address, bssid, physical address mac, wlan mac, lan mac",
        bare: "mac, macs",
        ..NONE
    },
    Rule {
        name: "sex",
        terms: "sex, biological sex, legal sex, sex code, sex at birth, sex assigned at birth, assigned sex, birth sex, sexo, sexe",
        ..NONE
    },
    Rule {
        name: "sexual orientation",
        terms: "sexual orientation, sexuality, sexual preference, sexual identity, sexual orientations, sex orientation, lgbt, \
            lgbtq, lgbt status, lgbtq status, orientacja seksualna",
        tells_by_truth: true,
        ..NONE
    },
    Rule {
        name: "medication",
        terms: "medication, medications, medicine, medicines, medication name, medicine name, medication list, drug, drugs, drug \
            name, prescription, prescriptions, prescription drug, prescribed drug, prescribed medication, dosage, dose, \
            medicament, rx, rx number, medikament, leki",
        ..NONE
    },
    Rule {
        name: "allergy",
        terms: "allergy, allergies, allergen, allergens, allergic to, allergic, allergic reaction, allergy list, allergie, alergia, \
            allergy type, food intolerance",
        tells_by_truth: true,
        ..NONE
    },
    Rule {
        name: "condition",
        terms: "medical condition, medical conditions, health condition, health conditions, pre existing condition, pre existing \
            conditions, existing condition, existing conditions, chronic condition, chronic conditions, mental condition, \
            physical condition, medical history, health history, disease, diseases, illness, illnesses, chronic disease, medical \
            status, hiv status, symptom, symptoms, health issue, health issues",
        bare: "condition, conditions",
        ..NONE
    },
    Rule {
        name: "diagnosis",
        terms: "diagnosis, diagnoses, diagnosis code, diagnosis codes, diagnostic code, diagnosis name, diagnosis description, \
            medical diagnosis, icd, icd code, icd codes, dx, dx code, diagnosed with, diagnose, diagnosed condition",
        ..NONE
    },
    Rule {
        name: "procedure",
        terms: "medical procedure, medical procedures, surgical procedure, surgical procedures, clinical procedure, dental \
            procedure, procedure code, procedure codes, procedure name, surgery, surgeries, surgery type, operation performed, \
            medical treatment, cpt code, cpt codes, therapy, procedure description, procedure performed",
        bare: "procedure, procedures, treatment, treatments",
        not_after: "stored childdirected directed child",
        ..NONE
    },
];

/// What may stand after the head of a name and say nothing: `phone_number`, `emailHash`, `address1`.
pub(super) const TAILS: &str = "number numbers num no nr nbr value values text txt string str field raw plain primary secondary alternate alternative alt \
    home work office business personal private main other hash hashed sha md encoded normalized normalised formatted masked \
    clean lower local original current new old info details data detail full custom c line list array url uri link src href last \
    four digits entered input id";

/// Of these tails it says something else what stands before them: a link or an id of an address is none.
pub(super) const STRICT_TAILS: &str = "url uri link src href id line list array input";

/// The default matchers after which the strict tails too say nothing: `avatarUrl`, `passportId`.
pub(super) const WITH_STRICT_TAILS: &str = "photo passport visa email identification serial license ip";

/// What makes a count, a flag or a setting of what stands after it: `max_phone`, `has_email`.
pub(super) const MEASURES: &str = "count total max min avg sum has is can should enable enabled disable allow require required num skip without unsubscribed \
    distinct unique supports sort";

/// Of these a flag tells as much as a value: `is_veteran`.
pub(super) const FLAGS: &str = "is has";

/// Keys that hold what a key around them names: `{"passport":{"number":…}}`.
pub(super) const JOINING: &str = "number no num nr date code address addr key";

/// The heads of keys that say something about what stands beside them, and are no part of it.
pub(super) const ASIDES: &str = "id ids type kind status count created updated modified deleted at on is verified default enabled active index position \
    version format length size width height timestamp time valid validated optin in out source provider currency unit units \
    label order lang language locale tz timezone required uuid guid href self ref schema object livemode operator op";

/// Words before the head that leave the name of a person one.
pub(super) const OF_PERSONS: &str =
    "users your my their primary secondary alternate home current new old previous last first local original own s";

/// In keys with one of these words four numbers and dots are a version, not an address.
pub(super) const VERSIONS: &str =
    "version versions ver build firmware release sdk os app revision oid agent useragent ua";

/// What is often written before a term without anything between: `useremail`.
pub(super) const PREFIXES: &str = "user users customer client contact billing shipping home work personal primary member account employee patient owner sender \
    recipient guest buyer my person profile student applicant";
