//! A Kubernetes quantity's text into the number it means, and bytes into a quantity.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The smallest part that a quantity can name: a billionth.
const ONE: i128 = 1_000_000_000;

/// Larger numbers than any quantity needs would overflow below.
const LONGEST: usize = 20;

/// What a quantity means, in billionths: `100m` and `0.1` are equal. None where the text is no quantity.
pub fn billionths(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > LONGEST || fraction.contains('.') {
        return None;
    }
    let value = whole.bytes().fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0')) * ONE + part(fraction);
    let (factor, divisor) = scale(suffix)?;
    // Kubernetes rounds up what is finer than a billionth.
    let scaled = value.checked_mul(factor)?;
    let scaled = scaled / divisor + i128::from(scaled % divisor != 0);
    Some(if negative { -scaled } else { scaled })
}

/// A quantity of bytes as whole bytes, rounded up. None where it is no quantity, or negative.
pub fn bytes(quantity: &Quantity) -> Option<u64> {
    let value = billionths(&quantity.0)?;
    u64::try_from((value + ONE - 1) / ONE).ok().filter(|_| value >= 0)
}

/// Bytes as a quantity of mebibytes, rounded up.
pub fn mebibytes(bytes: u64) -> Quantity {
    Quantity(format!("{}Mi", bytes.div_ceil(1024 * 1024)))
}

/// Digits behind the point, in billionths.
fn part(fraction: &str) -> i128 {
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let kept = digits.fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    kept + i128::from(fraction.bytes().skip(9).any(|digit| digit != b'0'))
}

/// What a suffix multiplies and divides by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let scale = match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => return exponent(suffix),
    };
    Some(scale)
}

/// `e3`, `E-3`: a power of ten.
fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let size = 10_i128.pow(u32::try_from(power.abs()).ok().filter(|size| *size <= 18)?);
    Some(if power < 0 { (1, size) } else { (size, 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<i128>) {
        assert_eq!(billionths(text), expect, "{text}");
    }

    #[test]
    fn quantities_mean_what_kubernetes_says() {
        check("1", Some(ONE));
        check("100m", Some(ONE / 10));
        check("0.1", Some(ONE / 10));
        check(".5", Some(ONE / 2));
        check("5.", Some(5 * ONE));
        check("1k", Some(1_000 * ONE));
        check("1Ki", Some(1_024 * ONE));
        check("1024Mi", Some((1 << 30) * ONE));
        check("1Gi", Some((1 << 30) * ONE));
        check("1.5Gi", Some(3 * (1 << 29) * ONE));
        check("2e3", Some(2_000 * ONE));
        check("2E-3", Some(2 * ONE / 1_000));
        check("1E", Some(1_000_000_000_000_000_000 * ONE));
        check("1n", Some(1));
        check("-1", Some(-ONE));
    }

    #[test]
    fn what_is_finer_than_a_billionth_is_rounded_up() {
        check("0.1n", Some(1));
        check("0.00000000001", Some(1));
    }

    #[test]
    fn other_texts_are_no_quantities() {
        for text in ["", "m", "1.2.3", "1 Gi", "1gi", "1e", "1e99", ".", "0x10", "99999999999999999999999"] {
            check(text, None);
        }
        check("99999999999999999999Ei", None);
    }

    #[test]
    fn bytes_are_whole_and_never_negative() {
        let of = |text: &str| bytes(&Quantity(text.into()));
        assert_eq!(of("256Mi"), Some(268_435_456));
        assert_eq!(of("1500m"), Some(2));
        assert_eq!(of("-1"), None);
        assert_eq!(mebibytes(268_435_457), Quantity("257Mi".into()));
    }
}
