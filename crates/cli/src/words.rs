//! Times, in words.

/// A time from now, such as "in 59 min" or "3 d ago".
pub(crate) fn in_words(seconds: i64) -> String {
    let amount = match seconds.unsigned_abs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    };
    if seconds < 0 { format!("{amount} ago") } else { format!("in {amount}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        for (seconds, words) in [(5, "in 5 s"), (3599, "in 59 min"), (-7200, "2 h ago"), (200_000, "in 2 d")]
        {
            assert_eq!(in_words(seconds), words);
        }
    }
}
