//! Which copy is meant.

use crate::{
    Error, Place,
    name::{CopyName, newest},
    objects,
};

/// The copy that is meant: the one of that name, the last one of a volume, or the last one at all if all copies are of
/// one volume. Names that are times are in their order. `flag` is how one is chosen, for messages.
///
/// # Errors
/// When there is none, or it is not known which is the last one.
pub fn choose(place: &Place, given: Option<&str>, flag: &str) -> Result<CopyName, Error> {
    if let Some(given) = given.filter(|given| given.contains('/')) {
        return Ok(CopyName::parse(given)?);
    }
    let copies = objects::copies(place.objects())?.into_iter();
    let copies: Vec<CopyName> = copies
        .filter(|copy| given.is_none_or(|given| copy.volume().as_str() == given))
        .collect();
    let listed = format!("`keyward volume copies {place}` lists");
    let Some(last) = copies.last() else {
        return Err(Error::Choice(match given {
            Some(given) => {
                format!("there is no copy of `{given}` in {place}: {listed} what there is")
            }
            None => format!("there is no copy in {place}"),
        }));
    };
    if copies.iter().any(|copy| copy.volume() != last.volume()) {
        return Err(Error::Choice(format!(
            "{place} has copies of several volumes: choose one with {flag} VOLUME or {flag} VOLUME/NAME; {listed} them"
        )));
    }
    newest(&copies).cloned().ok_or_else(|| {
        Error::Choice(format!(
            "not all copies of {} in {place} have names that end with their time, so that it is not known which is the last: choose one with {flag} VOLUME/NAME; {listed} them",
            last.volume()
        ))
    })
}
