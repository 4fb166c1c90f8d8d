//! The few facts read out of a certificate. DER is walked by hand: two fields
//! do not pay for an X.509 library, and rustls has checked the certificate already.

use sha2::{Digest, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const INTEGER: u8 = 0x02;
const CONTEXT_0: u8 = 0xa0;

/// Object identifiers of signature algorithms, DER content bytes, with the hash they use.
/// RFC 5929, section 4.1: MD5 and SHA-1 are replaced with SHA-256.
const SIGNATURES: &[(&[u8], Hash)] = &[
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", Hash::Sha256), // md5WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", Hash::Sha256), // sha1WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", Hash::Sha256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", Hash::Sha384),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", Hash::Sha512),
    (b"\x2a\x86\x48\xce\x3d\x04\x01", Hash::Sha256), // ecdsa-with-SHA1
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", Hash::Sha256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", Hash::Sha384),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", Hash::Sha512),
];
const RSASSA_PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
const HASHES: &[(&[u8], Hash)] = &[
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x01", Hash::Sha256),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x02", Hash::Sha384),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x03", Hash::Sha512),
];
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const COMMON_NAME: &[u8] = b"\x55\x04\x03";

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// Channel binding `tls-server-end-point` (RFC 5929): the certificate under the
/// hash of its own signature. `None` where that is undefined (Ed25519).
pub fn end_point_binding(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Der(Der(certificate).expect(SEQUENCE)?);
    fields.expect(SEQUENCE)?; // what is signed
    let mut algorithm = Der(fields.expect(SEQUENCE)?);
    let oid = algorithm.expect(OID)?;
    let hash = if oid == RSASSA_PSS {
        pss_hash(algorithm)?
    } else {
        find(SIGNATURES, oid)?
    };
    Some(match hash {
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

/// RFC 4055: the hash is the first, optional parameter; SHA-1 where it is left out.
fn pss_hash(mut parameters: Der<'_>) -> Option<Hash> {
    let mut parameters = Der(parameters.expect(SEQUENCE)?);
    match parameters.next() {
        Some((CONTEXT_0, hash)) => find(HASHES, Der(Der(hash).expect(SEQUENCE)?).expect(OID)?),
        _ => Some(Hash::Sha256),
    }
}

/// The subject's common name, the first one where there are several, as PostgreSQL takes it.
pub fn common_name(certificate: &[u8]) -> Option<String> {
    let mut fields = from_validity(certificate)?;
    fields.expect(SEQUENCE)?; // validity
    let mut subject = Der(fields.expect(SEQUENCE)?);
    while let Some((SET, names)) = subject.next() {
        let mut names = Der(names);
        while let Some((SEQUENCE, pair)) = names.next() {
            let mut pair = Der(pair);
            if pair.expect(OID)? == COMMON_NAME {
                let (_, value) = pair.next()?;
                let name = std::str::from_utf8(value).ok()?;
                return (!name.contains('\0')).then(|| name.to_owned());
            }
        }
    }
    None
}

/// When it ends to be valid, in seconds since 1970-01-01.
pub fn valid_until(certificate: &[u8]) -> Option<u64> {
    let mut validity = Der(from_validity(certificate)?.expect(SEQUENCE)?);
    validity.next()?; // not before
    let (kind, time) = validity.next()?;
    // RFC 5280, section 4.1.2.5: YYMMDDHHMMSSZ up to 2049, YYYYMMDDHHMMSSZ from then on.
    let (year, rest) = match (kind, time.len()) {
        (UTC_TIME, 13) => {
            let year = digits(&time[..2])?;
            (year + if year < 50 { 2000 } else { 1900 }, &time[2..])
        }
        (GENERALIZED_TIME, 15) => (digits(&time[..4])?, &time[4..]),
        _ => return None,
    };
    let part = |at: usize| digits(&rest[at..at + 2]);
    let (month, day) = (part(0)?, part(2)?);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && year >= 1970;
    let seconds = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    (in_range && rest.last() == Some(&b'Z'))
        .then(|| days_before(year, month, day) * 86_400 + seconds)
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// Days from 1970-01-01 to this date of the Gregorian calendar, with years that begin in March so that the leap day is the
/// last.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400;
    days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// The fields of what is signed, from its validity on.
fn from_validity(certificate: &[u8]) -> Option<Der<'_>> {
    let mut fields = Der(Der(Der(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    if fields.0.first() == Some(&CONTEXT_0) {
        fields.next()?; // version
    }
    fields.expect(INTEGER)?; // serial number
    fields.expect(SEQUENCE)?; // signature algorithm
    fields.expect(SEQUENCE)?; // issuer
    Some(fields)
}

fn find(table: &[(&[u8], Hash)], oid: &[u8]) -> Option<Hash> {
    table
        .iter()
        .find(|(key, _)| *key == oid)
        .map(|(_, hash)| *hash)
}

/// Reads tag, length, value, one after the other.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 || rest.len() < count {
                return None;
            }
            length = rest[..count]
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = &rest[count..];
        }
        let value = rest.get(..length)?;
        self.0 = &rest[length..];
        Some((tag, value))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, value)| value)
    }
}
