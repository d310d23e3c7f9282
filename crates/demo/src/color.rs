//! Which text can be read on a colour.

/// The text colour that contrasts most with a background `#rrggbb`; black or white, one of which has at least 4.5 to 1
/// (WCAG 2.2, success criterion 1.4.3).
pub(crate) fn text_on(background: &str) -> &'static str {
    let luminance = luminance(background).unwrap_or(0.0);
    // WCAG's contrast ratio, of white with the background and of the background with black.
    let with_white = 1.05 / (luminance + 0.05);
    let with_black = (luminance + 0.05) / 0.05;
    if with_white >= with_black { "#ffffff" } else { "#000000" }
}

/// A colour that a style sheet may hold: `#rrggbb`, or grey in place of anything else.
pub(crate) fn safe(color: &str) -> &str {
    if luminance(color).is_some() { color } else { "#4a5568" }
}

/// The relative luminance, as WCAG 2.2 defines it.
fn luminance(color: &str) -> Option<f64> {
    let hex = color.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.is_ascii())?;
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).ok()?) / 255.0;
        Some(if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) })
    };
    Some(0.2126 * channel(0)? + 0.7152 * channel(2)? + 0.0722 * channel(4)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a).unwrap() + 0.05, luminance(b).unwrap() + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_is_readable_on_every_colour() {
        assert_eq!(
            (text_on("#000000"), text_on("#ffffff"), text_on("#fee500")),
            ("#ffffff", "#000000", "#000000")
        );
        for grey in 0..=255u8 {
            for color in [
                format!("#{grey:02x}{grey:02x}{grey:02x}"),
                format!("#ff{grey:02x}00"),
                format!("#00{grey:02x}ff"),
            ] {
                assert!(contrast(&color, text_on(&color)) >= 4.5, "{color}");
            }
        }
    }

    #[test]
    fn nothing_but_a_colour_reaches_the_style_sheet() {
        assert_eq!(safe("#03c75a"), "#03c75a");
        for bad in ["red", "#fff", "#12345g", "#ffffff;}", ""] {
            assert_eq!(safe(bad), "#4a5568");
        }
    }
}
