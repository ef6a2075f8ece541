{#-
    The one way from a commune code to today's commune.

    A commune code means nothing without its date (all 99 codes of today already existed, for other communes), so
    both are asked for, and a call without a date does not compile.

    code    SQL expression, text: the code as reported
    as_of   SQL expression, date: the day on which that code was meant
    alias   name under which the mapping is joined; `<alias>.commune_code` is today's commune

    Emits a left join, at most one match a row: the intervals of one code do not overlap. The mapping has some 750
    rows and is hashed, so a row costs one look-up. `commune_code` is null where the code did not exist on
    that day, or where the commune was divided and the code alone no longer says where a thing is.
-#}
{% macro today_commune(code, as_of=none, alias='commune_now') -%}
    {%- if not code or not as_of -%}
        {{- exceptions.raise_compiler_error(
            "today_commune(code, as_of): a commune code means nothing without its date"
        ) -}}
    {%- endif -%}
    left join {{ ref('dim_commune_code') }} as {{ alias }}
        on
            {{ alias }}.reported_code = {{ code }}
            and {{ alias }}.valid_from <= {{ as_of }}
            and ({{ alias }}.valid_to is null or {{ alias }}.valid_to >= {{ as_of }})
{%- endmacro %}
