/// Appends a number in decimal digits. There are about ten in each answer and its log line; the formatter of the standard
/// library takes several times as long.
pub fn push_number(mut number: u64, out: &mut String) {
    let mut reversed = [b'0'; 20];
    let mut digits = 0;
    for place in &mut reversed {
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        digits += 1;
        if number == 0 {
            break;
        }
    }
    out.extend(reversed.iter().take(digits).rev().copied().map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_written_as_the_library_does() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = String::from("x");
            push_number(number, &mut out);
            assert_eq!(out, format!("x{number}"));
        }
    }
}
