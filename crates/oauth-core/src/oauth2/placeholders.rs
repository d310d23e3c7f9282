//! Templates of a [`Spec`](crate::Spec), in which names in braces are replaced by values.

/// Fills in a template. A brace that is never closed is text.
pub(super) fn fill<V: AsRef<str>, E>(
    template: &str,
    value_of: impl Fn(&str) -> Result<V, E>,
) -> Result<String, E> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((name, after)) = behind.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(value_of(name)?.as_ref());
        rest = after;
    }
    Ok(filled + rest)
}

/// Fills in the templates of parameters.
pub(super) fn fill_all<V: AsRef<str>, E>(
    params: &[(&'static str, &'static str)],
    value_of: impl Fn(&str) -> Result<V, E>,
) -> Result<Vec<(&'static str, String)>, E> {
    params.iter().map(|&(name, template)| Ok((name, fill(template, &value_of)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_replaced_and_other_braces_stay() {
        let value_of = |name: &str| if name == "a" { Ok("1{a}") } else { Err(name.to_owned()) };
        for (template, filled) in [
            ("", Ok("")),
            ("x", Ok("x")),
            ("{a}", Ok("1{a}")),
            ("x{a}y{a}", Ok("x1{a}y1{a}")),
            ("{a}{", Ok("1{a}{")),
            ("{b}{a}", Err("b")),
        ] {
            assert_eq!(
                fill(template, value_of),
                filled.map(str::to_owned).map_err(str::to_owned),
                "{template}"
            );
        }
    }
}
