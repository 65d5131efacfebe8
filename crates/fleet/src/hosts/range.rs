//! Ranges in host names: `app[01-03].example.org`.

/// More hosts than one range may stand for; beyond it, it is more likely a slip than a fleet.
const MOST: usize = 10_000;

/// Returns whether a name holds a range.
pub(crate) fn has_range(pattern: &str) -> bool {
    pattern.contains('[')
}

/// Returns the names that a pattern stands for, the last range counting fastest; or why it stands for none.
pub(crate) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = pattern.split_once('[') else {
        return match pattern.contains(']') {
            true => Err("`]` without `[`".to_owned()),
            false => Ok(vec![pattern.to_owned()]),
        };
    };
    let (inside, after) = rest.split_once(']').ok_or("`[` without `]`")?;
    if before.contains(']') {
        return Err("`]` without `[`".to_owned());
    }
    let numbers = numbers(inside)?;
    let tails = expand(after)?;
    if numbers.len().saturating_mul(tails.len()) > MOST {
        return Err(format!("this stands for more than {MOST} hosts"));
    }
    Ok(numbers.iter().flat_map(|n| tails.iter().map(move |tail| format!("{before}{n}{tail}"))).collect())
}

fn numbers(inside: &str) -> Result<Vec<String>, String> {
    let wanted = || format!("[{inside}] is no range: write [01-03]");
    let (first, last) = inside.split_once('-').ok_or_else(wanted)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Err(wanted());
    }
    let padded = [first, last].iter().any(|text| text.len() > 1 && text.starts_with('0'));
    if padded && first.len() != last.len() {
        return Err(format!("[{inside}] is padded with zeros: both numbers need as many digits"));
    }
    let (from, to): (u64, u64) = (first.parse().map_err(|_| wanted())?, last.parse().map_err(|_| wanted())?);
    if from > to {
        return Err(format!("[{inside}] counts down: write [{last}-{first}]"));
    }
    if to - from >= MOST as u64 {
        return Err(format!("this stands for more than {MOST} hosts"));
    }
    let width = if padded { first.len() } else { 0 };
    Ok((from..=to).map(|n| format!("{n:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_with_and_without_zeros() {
        assert_eq!(expand("app").unwrap(), ["app"]);
        assert_eq!(expand("app[01-03].x").unwrap(), ["app01.x", "app02.x", "app03.x"]);
        assert_eq!(expand("n[8-11]").unwrap(), ["n8", "n9", "n10", "n11"]);
        assert_eq!(expand("r[1-2]n[01-02]").unwrap(), ["r1n01", "r1n02", "r2n01", "r2n02"]);
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_reason() {
        for (bad, why) in [
            ("a[1-", "`[` without `]`"),
            ("a1]", "`]` without `[`"),
            ("a[x-z]", "[x-z] is no range: write [01-03]"),
            ("a[]", "[] is no range: write [01-03]"),
            ("a[3-1]", "[3-1] counts down: write [1-3]"),
            ("a[08-011]", "[08-011] is padded with zeros: both numbers need as many digits"),
            ("a[0-99999999]", "this stands for more than 10000 hosts"),
            ("a[0-999][0-999]", "this stands for more than 10000 hosts"),
        ] {
            assert_eq!(expand(bad).unwrap_err(), why, "{bad}");
        }
    }
}
