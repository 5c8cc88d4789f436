//! The text of an HTTP date into seconds, in all three forms.
//!
//! `httpdate` refuses what RFC 9111 §4.2 asks a cache to accept: other letter case, a weekday that does not fit.

use std::fmt;

/// Seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i64);

impl Date {
    /// RFC 9110 §5.6.7. `received` settles the century of a two-digit year. Any zone but GMT is invalid (RFC 9111 §4.2).
    pub fn parse(text: &str, received: Self) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        let (weekday, rest) = text.split_at_checked(text.find([',', ' '])?)?;
        let Some(rest) = rest.strip_prefix(',') else { return asctime(weekday, rest) };
        // One blank each: what has more is no date, and so in the past where it says when something expires.
        let mut words = rest.strip_prefix(' ')?.split(' ');
        if weekday.len() == 3 { imf(weekday, &mut words) } else { rfc850(weekday, &mut words, received) }
            .filter(|_| words.next().is_none())
    }
}

impl Date {
    /// `19941106T084937Z`: the basic form of ISO 8601.
    pub fn basic(self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } = Civil::of(self);
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

/// The form that is generated (RFC 9110 §5.6.7). Years outside four digits cannot be said; nothing the edge receives has them.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, weekday } = Civil::of(*self);
        let weekday = name_at(&WEEKDAYS, weekday).get(..3).unwrap_or_default();
        let month = name_at(&MONTHS, month - 1);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// A moment by the Gregorian calendar.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// From Monday, which is 0.
    weekday: i64,
}

impl Civil {
    fn of(date: Date) -> Self {
        let (days, second) = (date.0.div_euclid(86_400), date.0.rem_euclid(86_400));
        let year = year_of(date);
        let month = month_of(year, days);
        let day = days - days_before(year, month, 1) + 1;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        // 1970-01-01 was a Thursday.
        Self { year, month, day, hour, minute, second, weekday: (days + 3).rem_euclid(7) }
    }
}

fn name_at(names: &[&'static str], index: i64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf<'a>(weekday: &str, words: &mut impl Iterator<Item = &'a str>) -> Option<Date> {
    position(weekday, &WEEKDAYS, 3)?;
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let date = compose(four_digits(year)?, month, two_digits(day)?, words.next()?)?;
    words.next().filter(|zone| zone.eq_ignore_ascii_case("GMT")).map(|_| date)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850<'a>(weekday: &str, words: &mut impl Iterator<Item = &'a str>, received: Date) -> Option<Date> {
    position(weekday, &WEEKDAYS, usize::MAX)?;
    let mut parts = words.next()?.split('-');
    let (day, month, year) = (two_digits(parts.next()?)?, parts.next()?, two_digits(parts.next()?)?);
    let time = words.next()?;
    words.next().filter(|zone| parts.next().is_none() && zone.eq_ignore_ascii_case("GMT"))?;
    // RFC 9110 §5.6.7: what seems to be more than 50 years ahead is the latest past year with these digits.
    let (this_year, limit) = (year_of(received), fifty_years_after(received));
    let this_century = this_year - this_year.rem_euclid(100);
    let centuries = [this_century + 100, this_century, this_century - 100].into_iter();
    centuries.filter_map(|century| compose(century + year, month, day, time)).find(|date| *date <= limit)
}

/// The same time of the same day, by the calendar. A leap day comes around as the last day of February.
fn fifty_years_after(date: Date) -> Date {
    let (days, second) = (date.0.div_euclid(86_400), date.0.rem_euclid(86_400));
    let year = year_of(date);
    let month = month_of(year, days);
    let (later, day) = (year + 50, days - days_before(year, month, 1) + 1);
    Date(days_before(later, month, day.min(days_in(later, month))) * 86_400 + second)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(weekday: &str, rest: &str) -> Option<Date> {
    position(weekday, &WEEKDAYS, 3)?;
    let (month, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
    // Two columns, the first of them blank before the tenth.
    let (day, rest) = rest.split_at_checked(2)?;
    let day = digits(day.strip_prefix(' ').unwrap_or(day))?;
    let (time, year) = rest.strip_prefix(' ')?.split_once(' ')?;
    compose(four_digits(year)?, month, day, time)
}

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn position(word: &str, names: &[&str], length: usize) -> Option<usize> {
    names.iter().position(|name| name.get(..length).unwrap_or(name).eq_ignore_ascii_case(word))
}

fn compose(year: i64, month: &str, day: i64, time: &str) -> Option<Date> {
    let month = i64::try_from(position(month, &MONTHS, 3)?).ok()? + 1;
    let mut parts = time.split(':');
    let (hour, minute, second) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    // A leap second is legal (RFC 9110 §5.6.7) and counts as the next one.
    let legal =
        parts.next().is_none() && hour < 24 && minute < 60 && second <= 60 && (1..=days_in(year, month)).contains(&day);
    legal.then(|| Date(days_before(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second))
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn two_digits(text: &str) -> Option<i64> {
    if text.len() == 2 { digits(text) } else { None }
}

fn four_digits(text: &str) -> Option<i64> {
    if text.len() == 4 { digits(text) } else { None }
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March here, so that the leap day is the last.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The month of a year in which a day is.
fn month_of(year: i64, days: i64) -> i64 {
    (1..=12).rev().find(|month| days_before(year, *month, 1) <= days).unwrap_or(1)
}

fn year_of(date: Date) -> i64 {
    let days = date.0.div_euclid(86_400);
    // 400 years are 146,097 days: the guess is at most one year off.
    let guess = 1970 + (days * 400).div_euclid(146_097);
    if days_before(guess, 1, 1) > days {
        guess - 1
    } else if days_before(guess + 1, 1, 1) <= days {
        guess + 1
    } else {
        guess
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Date = Date(1_795_348_800); // 2026-11-22T16:00:00Z

    #[track_caller]
    fn check(text: &str, expect: Option<i64>) {
        assert_eq!(Date::parse(text, NOW), expect.map(Date), "{text}");
    }

    #[test]
    fn all_three_forms_are_read() {
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777));
        check("Sun Nov  6 08:49:37 1994", Some(784_111_777));
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Tue, 29 Feb 2028 23:59:60 GMT", Some(1_835_481_600));
    }

    #[test]
    fn a_date_is_written_as_it_is_read() {
        assert_eq!(Date(784_111_777).to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(Date(1_835_395_200).to_string(), "Tue, 29 Feb 2028 00:00:00 GMT");
        assert_eq!(Date(784_111_777).basic(), "19941106T084937Z");
        for days in 0..40_000 {
            let date = Date(days * 86_400 + days % 86_400);
            assert_eq!(Date::parse(&date.to_string(), NOW), Some(date));
        }
    }

    #[test]
    fn letter_case_and_a_wrong_weekday_do_not_matter() {
        check("sun, 06 NOV 1994 08:49:37 gmt", Some(784_111_777));
        check("Mon, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
    }

    #[test]
    fn a_two_digit_year_is_the_one_nearest_to_now() {
        check("Friday, 01-Jan-76 00:00:00 GMT", Some(3_345_062_400));
        check("Saturday, 01-Jan-77 00:00:00 GMT", Some(220_924_800));
        check("Saturday, 21-Nov-76 00:00:00 GMT", Some(3_373_142_400));
        check("Tuesday, 23-Nov-76 00:00:00 GMT", Some(217_555_200));
        check("Thursday, 01-Jan-26 00:00:00 GMT", Some(1_767_225_600));
    }

    #[test]
    fn what_is_ahead_by_more_than_fifty_years_to_the_second_is_past() {
        let check = |now: &str, text: &str, expect: &str| {
            let date = |text: &str| Date::parse(text, NOW).expect("a date");
            assert_eq!(Date::parse(text, date(now)), Some(date(expect)), "{text} at {now}");
        };
        let now = "Sun, 22 Nov 2026 16:00:00 GMT";
        check(now, "Sunday, 22-Nov-76 16:00:00 GMT", "Sun, 22 Nov 2076 16:00:00 GMT");
        check(now, "Monday, 22-Nov-76 16:00:01 GMT", "Mon, 22 Nov 1976 16:00:01 GMT");
        check(now, "Sunday, 21-Nov-76 23:59:59 GMT", "Sat, 21 Nov 2076 23:59:59 GMT");
        // Of a leap day the last of February is fifty years ahead; one that no century has is in none.
        let leap_day = "Tue, 29 Feb 2028 12:00:00 GMT";
        check(leap_day, "Monday, 28-Feb-78 12:00:00 GMT", "Mon, 28 Feb 2078 12:00:00 GMT");
        check(leap_day, "Tuesday, 28-Feb-78 12:00:01 GMT", "Tue, 28 Feb 1978 12:00:01 GMT");
        check("Thu, 01 Jan 2060 00:00:00 GMT", "Tuesday, 29-Feb-00 00:00:00 GMT", "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(Date::parse("Monday, 29-Feb-01 00:00:00 GMT", NOW), None);
        // A century ends.
        check("Fri, 31 Dec 2099 23:59:59 GMT", "Friday, 01-Jan-00 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
        check("Fri, 01 Jan 2100 00:00:00 GMT", "Thursday, 31-Dec-99 23:59:59 GMT", "Thu, 31 Dec 2099 23:59:59 GMT");
        check("Fri, 31 Dec 2049 23:59:59 GMT", "Friday, 31-Dec-99 23:59:59 GMT", "Thu, 31 Dec 2099 23:59:59 GMT");
        check("Fri, 31 Dec 2049 23:59:59 GMT", "Friday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "Sun",
            "Sun,",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 30 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Xxx, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, 06 Nov 1994 08:49:37.5 GMT",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994  08:49:37 GMT",
            "Sun,06 Nov 1994 08:49:37 GMT",
            "Sunday,  06-Nov-94 08:49:37 GMT",
            "Sun  Nov  6 08:49:37 1994",
            "ü, ö",
            "1994-11-06T08:49:37Z",
        ] {
            check(text, None);
        }
    }
}
