//! Formats dates for people. This is less code than a time library would add to the binary.

const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// Unix seconds as a date and time in UTC, such as `2023-11-14 22:13:20`. A time
/// before 1970 or after 9999 cannot be a time of creation and is returned as a number.
pub(super) fn utc(unix_seconds: i64) -> String {
    let mut day = unix_seconds.div_euclid(SECONDS_A_DAY);
    if day < 0 {
        return unix_seconds.to_string();
    }
    for year in 1970..=9999 {
        for month in 1..=12 {
            let days = days_of_month(year, month);
            if day < days {
                let second = unix_seconds.rem_euclid(SECONDS_A_DAY);
                let (hour, minute) = (second / 3600, second / 60 % 60);
                return format!(
                    "{year:04}-{month:02}-{:02} {hour:02}:{minute:02}:{:02}",
                    day + 1,
                    second % 60
                );
            }
            day -= days;
        }
    }
    unix_seconds.to_string()
}

const fn days_of_month(year: i64, month: u32) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected dates come from `date -u -d @SECONDS`.
    #[test]
    fn seconds_become_dates_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (86_399, "1970-01-01 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_700_000_000, "2023-11-14 22:13:20"),
            (1_709_251_199, "2024-02-29 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (253_402_300_799, "9999-12-31 23:59:59"),
            (253_402_300_800, "253402300800"),
            (-1, "-1"),
            (i64::MAX, "9223372036854775807"),
        ] {
            assert_eq!(utc(seconds), expected, "{seconds}");
        }
    }
}
