"""Rules for the tests of recurrences: forbidden ones, harmless ones, bombs, and any rule that the grammar takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

ZONES = [
    "America/New_York",
    "Europe/Prague",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "America/Havana",
    "Antarctica/Troll",
    "UTC",
]
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
HOURS = ",".join(str(hour) for hour in range(24))
MINUTES = ",".join(str(minute) for minute in range(60))
POSITIONS = ",".join(str(position) for position in range(2, 110))

INVALID, REFUSED, FREQUENT, NEVER = (
    f"rrule.{code}" for code in ("invalid", "part_refused", "too_frequent", "no_occurrence")
)

FORBIDDEN: dict[str, tuple[str, str]] = {
    "nothing": ("", INVALID),
    "only a prefix": ("RRULE:", INVALID),
    "too long": ("FREQ=DAILY;BYSECOND=" + "0," * 250 + "0", INVALID),
    "no FREQ": ("INTERVAL=2", INVALID),
    "FREQ is not first": ("INTERVAL=2;FREQ=DAILY", INVALID),
    "FREQ twice": ("FREQ=DAILY;FREQ=WEEKLY", INVALID),
    "FREQ twice, the same": ("FREQ=DAILY;FREQ=DAILY", INVALID),
    "FREQ unknown": ("FREQ=FORTNIGHTLY", INVALID),
    "FREQ empty": ("FREQ=", INVALID),
    "two FREQ in one": ("FREQ=DAILY,WEEKLY", INVALID),
    "a part twice": ("FREQ=DAILY;BYHOUR=9;BYHOUR=10", INVALID),
    "an empty part": ("FREQ=DAILY;;BYHOUR=9", INVALID),
    "a semicolon at the end": ("FREQ=DAILY;", INVALID),
    "a semicolon in front": (";FREQ=DAILY", INVALID),
    "a part without a value": ("FREQ=DAILY;BYHOUR", INVALID),
    "a part with two values": ("FREQ=DAILY;BYHOUR=9=10", INVALID),
    "an empty value": ("FREQ=DAILY;BYHOUR=", INVALID),
    "an empty place in a list": ("FREQ=DAILY;BYHOUR=9,,10", INVALID),
    "a comma at the end": ("FREQ=DAILY;BYHOUR=9,", INVALID),
    "a space": ("FREQ=DAILY; BYHOUR=9", INVALID),
    "a space at the end": ("FREQ=DAILY ", INVALID),
    "a newline at the end": ("FREQ=DAILY\n", INVALID),
    "a folded line": ("FREQ=DAILY;BYHO\r\n UR=9", INVALID),
    "two rules": ("FREQ=DAILY\nRRULE:FREQ=WEEKLY", INVALID),
    "two prefixes": ("RRULE:RRULE:FREQ=DAILY", INVALID),
    "a property parameter": ("RRULE;X-A=b:FREQ=DAILY", INVALID),
    "a NUL": ("FREQ=DAILY\x00", INVALID),
    "a letter that upper() turns into I": ("FREQ=DA\u0131LY", INVALID),
    "a letter that upper() turns into S": ("FREQ=DAILY;BY\u017fETPOS=1;BYHOUR=9", INVALID),
    "digits that are not ASCII": ("FREQ=DAILY;BYHOUR=\u0669", INVALID),
    "a lone surrogate": ("FREQ=DAILY\ud800", INVALID),
    "DTSTART": ("DTSTART:20260101T000000\nRRULE:FREQ=DAILY", REFUSED),
    "dtstart": ("dtstart:20260101T000000\nrrule:freq=daily", REFUSED),
    "DtStart as a part": ("FREQ=DAILY;DtStart=20260101T000000", REFUSED),
    "RDATE": ("RRULE:FREQ=DAILY\nRDATE:20270101T000000", REFUSED),
    "EXDATE": ("FREQ=DAILY\nexdate:20270101T000000", REFUSED),
    "EXRULE": ("FREQ=DAILY\nEXRULE:FREQ=WEEKLY", REFUSED),
    "an unknown part": ("FREQ=DAILY;BYFORTNIGHT=1", REFUSED),
    "an X- part": ("FREQ=DAILY;X-NAME=1", REFUSED),
    "BYEASTER": ("FREQ=YEARLY;BYEASTER=0", REFUSED),
    "RSCALE": ("FREQ=YEARLY;RSCALE=CHINESE", REFUSED),
    "INTERVAL 0": ("FREQ=DAILY;INTERVAL=0", INVALID),
    "INTERVAL below 0": ("FREQ=DAILY;INTERVAL=-1", INVALID),
    "INTERVAL with a sign": ("FREQ=DAILY;INTERVAL=+1", INVALID),
    "INTERVAL too large": ("FREQ=DAILY;INTERVAL=1001", INVALID),
    "two INTERVALs": ("FREQ=DAILY;INTERVAL=1,2", INVALID),
    "INTERVAL a fraction": ("FREQ=DAILY;INTERVAL=1.5", INVALID),
    "COUNT 0": ("FREQ=DAILY;COUNT=0", INVALID),
    "COUNT below 0": ("FREQ=DAILY;COUNT=-5", INVALID),
    "COUNT too large": ("FREQ=DAILY;COUNT=10001", INVALID),
    "COUNT with UNTIL": ("FREQ=DAILY;COUNT=2;UNTIL=20280101T000000Z", INVALID),
    "UNTIL a date": ("FREQ=DAILY;UNTIL=20280101", INVALID),
    "UNTIL with dashes": ("FREQ=DAILY;UNTIL=2028-01-01", INVALID),
    "UNTIL on no day": ("FREQ=DAILY;UNTIL=20270229T000000Z", INVALID),
    "UNTIL at no hour": ("FREQ=DAILY;UNTIL=20280101T240000Z", INVALID),
    "UNTIL in the year 0": ("FREQ=DAILY;UNTIL=00000101T000000", INVALID),
    "UNTIL with an offset": ("FREQ=DAILY;UNTIL=20280101T000000+0100", INVALID),
    "two UNTILs": ("FREQ=DAILY;UNTIL=20280101T000000Z,20290101T000000Z", INVALID),
    "second 60": ("FREQ=DAILY;BYSECOND=60", INVALID),
    "second -1": ("FREQ=DAILY;BYSECOND=-1", INVALID),
    "minute 60": ("FREQ=DAILY;BYMINUTE=60", INVALID),
    "hour 24": ("FREQ=DAILY;BYHOUR=24", INVALID),
    "hour with a sign": ("FREQ=DAILY;BYHOUR=+9", INVALID),
    "hour with three digits": ("FREQ=DAILY;BYHOUR=009", INVALID),
    "an hour twice": ("FREQ=DAILY;BYHOUR=9,09", INVALID),
    "month 0": ("FREQ=YEARLY;BYMONTH=0", INVALID),
    "month 13": ("FREQ=DAILY;BYMONTH=13", INVALID),
    "month -1": ("FREQ=YEARLY;BYMONTH=-1", INVALID),
    "month by name": ("FREQ=YEARLY;BYMONTH=JAN", INVALID),
    "day of the month 0": ("FREQ=MONTHLY;BYMONTHDAY=0", INVALID),
    "day of the month 32": ("FREQ=MONTHLY;BYMONTHDAY=32", INVALID),
    "day of the month -32": ("FREQ=MONTHLY;BYMONTHDAY=-32", INVALID),
    "day of the month 99": ("FREQ=MONTHLY;BYMONTHDAY=99", INVALID),
    "day of the year 0": ("FREQ=YEARLY;BYYEARDAY=0", INVALID),
    "day of the year 367": ("FREQ=YEARLY;BYYEARDAY=367", INVALID),
    "week 0": ("FREQ=YEARLY;BYWEEKNO=0;BYDAY=MO", INVALID),
    "week 54": ("FREQ=YEARLY;BYWEEKNO=54;BYDAY=MO", INVALID),
    "position 0": ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", INVALID),
    "position 367": ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367", INVALID),
    "positions of nothing": ("FREQ=MONTHLY;BYSETPOS=1", INVALID),
    "BYMONTHDAY with WEEKLY": ("FREQ=WEEKLY;BYMONTHDAY=1", INVALID),
    "BYYEARDAY with DAILY": ("FREQ=DAILY;BYYEARDAY=1", INVALID),
    "BYYEARDAY with WEEKLY": ("FREQ=WEEKLY;BYYEARDAY=1", INVALID),
    "BYYEARDAY with MONTHLY": ("FREQ=MONTHLY;BYYEARDAY=1", INVALID),
    "BYWEEKNO with MONTHLY": ("FREQ=MONTHLY;BYWEEKNO=1;BYDAY=MO", INVALID),
    "BYWEEKNO with HOURLY": ("FREQ=HOURLY;BYWEEKNO=1;BYDAY=MO", INVALID),
    "BYWEEKNO without a day": ("FREQ=YEARLY;BYWEEKNO=20", REFUSED),
    "a day unknown": ("FREQ=WEEKLY;BYDAY=XX", INVALID),
    "a day twice": ("FREQ=WEEKLY;BYDAY=MO,MO", INVALID),
    "a day with number 0": ("FREQ=MONTHLY;BYDAY=0MO", INVALID),
    "a sixth day of a month": ("FREQ=MONTHLY;BYDAY=6MO", INVALID),
    "a sixth day of January": ("FREQ=YEARLY;BYMONTH=1;BYDAY=6MO", INVALID),
    "a 54th day of a year": ("FREQ=YEARLY;BYDAY=54MO", INVALID),
    "plain and numbered days": ("FREQ=MONTHLY;BYDAY=1MO,TH", REFUSED),
    "numbered days with WEEKLY": ("FREQ=WEEKLY;BYDAY=1MO", INVALID),
    "numbered days with DAILY": ("FREQ=DAILY;BYDAY=-1MO", INVALID),
    "numbered days with BYWEEKNO": ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO", INVALID),
    "a week that begins nowhere": ("FREQ=WEEKLY;WKST=XX", INVALID),
    "two beginnings of a week": ("FREQ=WEEKLY;WKST=MO,TU", INVALID),
    "positions with WEEKLY": ("FREQ=WEEKLY;BYDAY=MO,FR;BYSETPOS=1", REFUSED),
    "days with whole days skipped": ("FREQ=HOURLY;INTERVAL=25;BYDAY=MO", REFUSED),
    "days with many counted hours": ("FREQ=HOURLY;COUNT=1001;BYMONTH=5", REFUSED),
    "SECONDLY": ("FREQ=SECONDLY", FREQUENT),
    "MINUTELY": ("FREQ=MINUTELY;INTERVAL=90", FREQUENT),
    "two minutes of an hour": ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0,1", FREQUENT),
    "two seconds of a minute": ("FREQ=YEARLY;BYSECOND=0,59", FREQUENT),
    "two minutes of every hour": ("FREQ=HOURLY;INTERVAL=5;BYMINUTE=0,30", FREQUENT),
    "two minutes of a named hour": ("FREQ=HOURLY;INTERVAL=24;BYHOUR=9;BYMINUTE=0,30", FREQUENT),
    "close across midnight": ("FREQ=MONTHLY;BYMONTHDAY=1,2;BYHOUR=0,23;BYMINUTE=0,45;BYSETPOS=4,5", FREQUENT),
}

BOMBS: dict[str, tuple[str, str]] = {
    **{
        f"30 February, {freq}": (f"FREQ={freq};BYMONTH=2;BYMONTHDAY=30", "2026-01-01T09:00:00")
        for freq in ("HOURLY", "DAILY", "MONTHLY", "YEARLY")
    },
    "a fifth Tuesday in 28 days": ("FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=5TU", "2026-01-01T09:00:00"),
    "29 February in odd years": ("FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "2027-01-01T09:00:00"),
    "a month that is never reached": ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=5", "2026-01-01T09:00:00"),
    "an hour that is never reached": ("FREQ=HOURLY;INTERVAL=24;BYHOUR=5", "2026-01-01T06:00:00"),
    "an hour of a day that is never reached": ("FREQ=HOURLY;INTERVAL=7;BYHOUR=5;BYDAY=MO,WE", "2026-01-06T05:00:00"),
    "a weekday that is never reached": ("FREQ=DAILY;INTERVAL=7;BYDAY=MO,WE,TH,FR,SA,SU", "1970-01-06T12:00:00"),
    "the same, of a named hour": (
        "FREQ=HOURLY;INTERVAL=504;BYHOUR=12;BYDAY=MO,WE,TH,FR,SA,SU",
        "1970-01-06T12:00:00",
    ),
    "a day of the year in another month": ("FREQ=YEARLY;BYYEARDAY=1;BYMONTH=5", "2026-01-01T09:00:00"),
    "a week in another month": ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;BYMONTH=1", "2026-01-01T09:00:00"),
    "a second one of one": ("FREQ=DAILY;BYHOUR=9;BYSETPOS=2", "2026-01-01T09:00:00"),
    "a second one of one, hour by hour": ("FREQ=HOURLY;BYMINUTE=9;BYDAY=MO;BYSETPOS=-2", "1970-01-01T09:00:00"),
    "many positions of one": (f"FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS={POSITIONS}", "1970-01-01T09:00:00"),
    "over long ago": ("FREQ=HOURLY;UNTIL=19700102T000000Z", "1970-01-01T00:00:00"),
    "counted long ago": ("FREQ=HOURLY;COUNT=10000", "1970-01-01T00:00:00"),
    "counted on Mondays long ago": ("FREQ=HOURLY;COUNT=1000;BYDAY=MO;BYMINUTE=7", "1970-01-01T00:00:00"),
}
"""Rules that never occur, or never again: name, rule and first instant."""

HEAVY: dict[str, tuple[str, str]] = {
    "hourly since 1970": ("FREQ=HOURLY", "1970-01-01T00:00:00"),
    "daily since 1970": ("FREQ=DAILY", "1970-01-01T00:00:00"),
    "29 February on a Monday": ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "1970-01-01T00:00:00"),
    "the same, hour by hour": ("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "1970-01-01T00:00:00"),
    "every hour by name": (f"FREQ=DAILY;BYHOUR={HOURS}", "1970-01-01T00:00:00"),
    "once, of every minute": (f"FREQ=DAILY;BYHOUR={HOURS};BYMINUTE={MINUTES};COUNT=1", "2027-01-01T00:00:00"),
    "many hours": ("FREQ=HOURLY;INTERVAL=1000;BYMINUTE=7", "1970-01-01T00:00:00"),
    "many hours by name": (f"FREQ=HOURLY;INTERVAL=997;BYHOUR={HOURS};BYDAY=MO", "1970-01-01T00:00:00"),
    "many days": ("FREQ=DAILY;INTERVAL=1000;BYDAY=MO", "1970-01-01T00:00:00"),
    "many positions": (f"FREQ=MONTHLY;BYHOUR={HOURS};BYSETPOS={POSITIONS}", "1970-01-01T00:00:00"),
    "many counted hours": ("FREQ=HOURLY;COUNT=10000;BYMINUTE=30", "2026-11-20T00:00:00"),
    "many counted hours, far apart": ("FREQ=HOURLY;INTERVAL=100;BYMINUTE=48;COUNT=10000", "1970-04-19T05:00:00"),
    "many counted hours by name": ("FREQ=HOURLY;INTERVAL=139;BYHOUR=18;COUNT=4093", "1970-07-04T10:00:00"),
    "many counted Mondays": ("FREQ=HOURLY;INTERVAL=24;BYMINUTE=7;BYDAY=MO;COUNT=1000", "2026-11-20T00:00:00"),
    "many counted days": ("FREQ=DAILY;COUNT=10000", "2026-11-20T00:00:00"),
    "a last week": ("FREQ=YEARLY;BYWEEKNO=-1,53;BYDAY=SU;WKST=TH", "1970-01-01T00:00:00"),
}
"""Rules that occur, however much there is to look at."""


def _numbers(low: int, high: int, most: int, *, signed: bool = False) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    if signed:
        number = st.one_of(number, st.integers(-high, -low))
    return st.lists(number, min_size=1, max_size=most, unique=True).map(lambda them: ",".join(map(str, them)))


def _days(freq: str, parts: dict[str, str]) -> st.SearchStrategy[str]:
    plain = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4, unique=True)
    if freq not in {"MONTHLY", "YEARLY"} or "BYWEEKNO" in parts:
        return plain.map(",".join)
    highest = 5 if freq == "MONTHLY" or "BYMONTH" in parts else 53
    number = st.one_of(st.integers(1, min(5, highest)), st.integers(-highest, -1), st.integers(1, highest))
    numbered = st.lists(st.tuples(number, st.sampled_from(WEEKDAYS)), min_size=1, max_size=3, unique=True)
    return st.one_of(plain.map(",".join), numbered.map(lambda them: ",".join(f"{n}{day}" for n, day in them)))


@st.composite
def rules(draw: st.DrawFn, *, ends: bool = True) -> str:
    """Any rule of the grammar, most of them with at most one moment in an hour; `ends`: with COUNT or UNTIL as well."""
    freq = draw(st.sampled_from(["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = {"FREQ": freq}

    def add(name: str, values: st.SearchStrategy[str], likely: int) -> None:
        if draw(st.integers(1, 10)) <= likely:
            parts[name] = draw(values)

    add("INTERVAL", st.sampled_from([1, 2, 3, 4, 5, 7, 12, 13, 24, 36, 48]).map(str), 5)
    add("BYMONTH", _numbers(1, 12, 4), 2)
    if freq == "YEARLY":
        add("BYWEEKNO", _numbers(1, 53, 3, signed=True), 2)
    if freq in {"YEARLY", "HOURLY"}:
        add("BYYEARDAY", _numbers(1, 366, 9, signed=True), 2)
    if freq != "WEEKLY":
        add("BYMONTHDAY", _numbers(1, 31, 5, signed=True), 3)
    add("BYDAY", _days(freq, parts), 10 if "BYWEEKNO" in parts else 4)
    add("BYHOUR", st.one_of(_numbers(0, 23, 5), st.sampled_from(["1,2,3", "0,1", "2", HOURS])), 5)
    add("BYMINUTE", st.one_of(_numbers(0, 59, 1), _numbers(0, 59, 1), _numbers(0, 59, 3)), 3)
    add("BYSECOND", _numbers(0, 59, 1), 1)
    if freq != "WEEKLY" and any(name.startswith("BY") for name in parts):
        add("BYSETPOS", _numbers(1, 4, 2, signed=True), 3)
    if freq == "HOURLY" and "BYHOUR" not in parts and parts.keys() & {"BYMONTH", "BYYEARDAY", "BYMONTHDAY", "BYDAY"}:
        parts["INTERVAL"] = str(min(24, int(parts.get("INTERVAL", "1"))))
    add("WKST", st.sampled_from(WEEKDAYS), 3)
    if ends:
        name = draw(st.sampled_from(["", "", "COUNT", "UNTIL"]))
        until = st.datetimes(datetime(2027, 1, 1), datetime(2030, 1, 1)).map(lambda it: f"{it:%Y%m%dT%H%M00}")
        if name:
            zulu = until.flatmap(lambda it: st.sampled_from([it, it + "Z"]))
            parts[name] = draw(_numbers(1, 40, 1) if name == "COUNT" else zulu)
    return ";".join(f"{name}={value}" for name, value in parts.items())


@lru_cache
def changes(zone: str, first: int = 2026, years: int = 20) -> tuple[datetime, ...]:
    """About when the clock of a zone changes: to the day, in UTC."""
    days = [datetime(first, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(365 * years)]
    offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
    return tuple(day for day, before, after in zip(days[1:], offsets, offsets[1:], strict=False) if before != after)


@st.composite
def starts(draw: st.DrawFn, zone: str) -> datetime:
    """A first instant, in wall time: every other one on or near a day on which the clock changes."""
    near = st.sampled_from([it.replace(tzinfo=None) for it in changes(zone)[:8]] or [datetime(2027, 1, 1)])
    day = draw(st.one_of(near, st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1))))
    hours = draw(st.sampled_from([0, 1, 2, 3, 9, 23]))
    minutes = draw(st.sampled_from([0, 0, 15, 30, 45]))
    return day.replace(hour=hours, minute=minutes, second=0, microsecond=0) - timedelta(days=draw(st.integers(0, 2)))
