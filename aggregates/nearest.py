"""The name that was probably meant: what other tools call the same thing, then the likest spelling.

Every answer that names a likelier name takes it from here, so one word gets one answer in every place.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

READ = 50
"""How much of a made-up name is compared, in characters."""

CLOSE = 0.6
"""How alike two names have to be, from 0 to 1."""

SYNONYMS: Mapping[str, str] = {
    # operators: what is meant -> how others call it
    "exact": "equals equal eq is = == === in any_of one_of isin is_in is_exactly matches_exactly",
    "is_not": "not_equals not_equal does_not_equal neq ne != <> not_in none_of not_one_of nin isnt is_not_in not",
    "icontains": "contains contain includes include like ilike has containing substring contains_any",
    "not_icontains": "not_contains does_not_contain not_contain excludes not_like not_ilike not_includes",
    "regex": "starts_with startswith begins_with prefix ends_with endswith suffix matches match regexp re pattern glob",
    "not_regex": "not_matches does_not_match not_match not_starts_with not_ends_with not_regexp",
    "gt": "greater_than greater more_than above over > after_number",
    "gte": "greater_than_or_equal greater_or_equal greater_than_equal at_least min minimum >= ge between",
    "lt": "less_than less smaller_than below under <",
    "lte": "less_than_or_equal less_or_equal less_than_equal at_most max maximum <= le",
    "is_set": "exists exist present is_present not_null is_not_null not_empty is_not_empty known is_known has_value",
    "is_not_set": "not_exists missing absent is_null null empty is_empty is_blank unknown is_unknown unset",
    "is_date_exact": "on on_date date_is same_day is_date",
    "is_date_before": "before older_than earlier_than until date_before is_before more_than_ago",
    "is_date_after": "after since newer_than later_than date_after is_after within_last in_last less_than_ago",
    "in": "exact is equals eq = == is_in member member_of belongs_to any_of contains includes is_member",
    "not_in": "is_not not_equals neq != is_not_in not_member not_member_of excludes none_of",
    # step types
    "webhook": "http_request http https request api api_call call_api http_call fetch post rest url call_webhook",
    "email": "send_email send_mail mail email_send message send newsletter smtp notification",
    "delay": "wait sleep pause wait_for timer wait_until_duration delay_for wait_duration",
    "conditional_branch": "if condition conditional branch if_else switch filter decision router yes_no true_false",
    "random_split": "split ab_test a_b_test abtest experiment random random_cohort_branch percentage_split",
    "wait_until_time_window": "time_window wait_until send_window business_hours wait_until_time quiet_hours schedule",
    "set_variables": "set set_variable assign assign_variables update_variables set_variable_value variables",
    "approval": "approve human_approval human_input manual_approval wait_for_approval review ask_human",
    "capture": "log print record note debug console test_capture noop echo",
    "exit": "end stop finish terminate return",
    # triggers
    "batch": "broadcast audience segment bulk campaign people cohort list newsletter mass batch_trigger",
    "manual": "api on_demand invoke call workflow_dispatch form event manual_trigger button",
    # types of a declared value
    "string": "str text varchar char date datetime uuid",
    "number": "int integer float double decimal numeric long",
    "boolean": "bool flag true_false bit",
    # fields
    "key": "property name field attribute variable property_key id",
    "operator": "op comparison comparator condition operation",
    "value": "values val equals to operand data",
    "type": "kind component component_id step_type action node_type kind_of",
    "config": "settings params parameters options arguments args configuration inputs data with",
    "from": "source from_step start origin src",
    "to": "target to_step destination dest recipient recipients email address next",
    "branch": "port label handle condition way source_handle outcome",
    "properties": "conditions filters where rules people_properties person_properties",
    "filters": "filter audience conditions segment where",
    "body": "content text message html payload json data",
    "subject": "title headline",
    "url": "uri endpoint address href target link",
    "default": "default_value value initial fallback",
    "acknowledged_affected_count": "affected affected_count acknowledged count acknowledged_count people",
    "confirm_token": "token confirmation_token confirmation confirm",
    "workflow_id": "id workflow workflowid uuid",
    "batch_job_id": "id job_id job batch_id batchjobid",
    "schedule_id": "id schedule scheduleid",
    "run_id": "id run runid",
    "component_id": "id component type name",
    "inputs": "input params parameters arguments args variables data payload",
    "variables": "vars params parameters inputs",
    "rrule": "recurrence cron rule cadence repeat",
    "starts_at": "start starts start_at start_date begin dtstart",
    "timezone": "tz time_zone zone",
    "reason": "note why comment message",
    "note": "reason why comment message",
    "wait_seconds": "wait timeout timeout_seconds",
    "after": "cursor next_cursor page page_token offset starting_after",
    "limit": "page_size per_page size count max_results first",
}
"""What is meant, and in one line how other tools call it. A word may be under several: the first that fits counts."""

_MEANT: Mapping[str, tuple[str, ...]] = {
    word: tuple(meant for meant, words in SYNONYMS.items() if word in words.split())
    for word in {word for words in SYNONYMS.values() for word in words.split()}
}


def nearest(word: str, known: Collection[str], most: int = 1) -> list[str]:
    """The names of `known` that `word` probably means, the likeliest first; at most `most`, often none.

    The same name in another spelling (case, blanks, dashes) comes first, then what others call by this word, then
    names that are spelt alike.
    """
    asked = plain(word)
    spelt = {plain(name): name for name in reversed(list(known))}
    same = [spelt[asked]] if asked in spelt else []
    meant = [name for name in _MEANT.get(asked, ()) if name in known]
    alike = [spelt[name] for name in difflib.get_close_matches(asked, list(spelt), n=max(most, 1), cutoff=CLOSE)]
    return list(dict.fromkeys([*same, *meant, *alike]))[:most]


def plain(word: str) -> str:
    """A name without what does not tell two apart: `Signup-Date`, `signupDate` and `signup date` are `signup_date`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word[:READ].strip().lstrip("$"))
    return re.sub(r"[\s\-.]+", "_", parted).lower()
