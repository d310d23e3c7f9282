//! Headers and claims whose members an input leaves out, changes or doubles.

use arbitrary::{Result, Unstructured};
use oauth_core::serde_json::Value;

/// A member of a list in which two can have one name.
pub(crate) type Member = (String, Value);

pub(crate) fn members<const N: usize>(members: [(&str, Value); N]) -> Vec<Member> {
    members.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

pub(crate) fn member<'m>(members: &'m [Member], name: &str) -> Option<&'m Value> {
    members.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// Removes a member of one of these names, puts another in place of the one that is there, or beside it.
pub(crate) fn change_one(
    bytes: &mut Unstructured<'_>,
    members: &mut Vec<Member>,
    names: &[&str],
    value: impl FnOnce(&mut Unstructured<'_>, &str) -> Result<Value>,
) -> Result<()> {
    let name = *bytes.choose(names)?;
    let way = bytes.int_in_range(0..=7)?;
    if way != 0 {
        members.retain(|(other, _)| other != name);
        if way == 1 {
            return Ok(());
        }
    }
    let value = value(bytes, name)?;
    let at = bytes.int_in_range(0..=members.len())?;
    members.insert(at, (name.to_owned(), value));
    Ok(())
}
