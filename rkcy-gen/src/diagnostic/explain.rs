//! Owns the page that `rkcy-gen explain CODE` prints.

use super::code::Code;

/// The page of a code.
pub fn page(code: Code) -> String {
    format!(
        "{} ({}): {}\n\n{}",
        code.name(),
        code.severity().word(),
        code.title(),
        code.text()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_says_something() {
        for code in Code::ALL {
            assert!(code.text().len() > 80, "the page of {code} is too short");
            assert!(
                code.text().ends_with('\n'),
                "the page of {code} has no end of line"
            );
        }
    }

    #[test]
    fn codes_are_found_by_name_and_number() {
        assert_eq!(Code::find("RKCY0023"), Some(Code::UnknownType));
        assert_eq!(Code::find("rkcy0023"), Some(Code::UnknownType));
        assert_eq!(Code::find("23"), Some(Code::UnknownType));
        assert_eq!(Code::find("RKCY9999"), None);
        assert_eq!(Code::find("nonsense"), None);
    }
}
