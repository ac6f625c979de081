//! Texts of others for a terminal.
//!
//! In: texts that a proxy, a collector or a file has supplied. Out: texts that a terminal shows as
//! they are. Invariant: no text moves the cursor, writes the clipboard (OSC 52), begins a line,
//! changes the direction of the text around it, or hides characters.
//!
//! Source: Unicode 16, general categories Cc, Cf, Zl and Zp, and `Default_Ignorable_Code_Point`;
//! CVE-2021-25743 and CVE-2021-42574.

use std::fmt::Write;

/// Character in place of one that a terminal would obey or hide.
const REPLACEMENT: char = '?';

/// Returns a text of one line without characters that control a terminal.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { REPLACEMENT } else { c }).collect()
}

/// Returns lines without other characters that control a terminal. For texts whose line breaks are
/// our own.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) && c != '\n' { REPLACEMENT } else { c }).collect()
}

/// Returns JSON in which such characters are escapes. The values stay the same, since the
/// characters stand in strings only.
#[must_use]
pub fn visible_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unsafe(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether a terminal obeys or hides a character.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, joiners and fillers.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            // Zero width, direction marks, line and paragraph separators, embeddings, isolates.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Variation selectors, byte order mark, annotations, shorthand and musical controls, tags.
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::{visible, visible_json, visible_lines};

    #[test]
    fn texts_cannot_control_a_terminal() {
        for (text, expected) in [
            ("pay@v1 naïve 支払 🦀", "pay@v1 naïve 支払 🦀"),
            ("\u{1b}[2J", "?[2J"),
            ("\u{1b}]52;c;cm0gLXJm\u{7}", "?]52;c;cm0gLXJm?"),
            ("a\nforged row\r", "a?forged row?"),
            ("a\u{9b}31m\u{7f}", "a?31m?"),
            ("\u{202e}yap\u{2066}\u{200b}\u{feff}\u{ad}\u{2028}\u{e0041}", "?yap??????"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
        assert_eq!(visible_lines("a\n\u{1b}b\r\n"), "a\n?b?\n");
    }

    #[test]
    fn json_keeps_its_values() {
        let values = ["\u{1b}]52;c;x\u{7}\n", "\u{202e}\u{9b}\u{7f}", "\u{e0041}é\"\\", "plain"];
        let json = serde_json::to_string_pretty(&values).unwrap();
        let shown = visible_json(&json);
        assert!(shown.chars().all(|c| c == '\n' || !super::is_unsafe(c)), "{shown}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), values);
    }
}
