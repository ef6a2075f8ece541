{#-
    Filter of an incremental model driven by one dataset: the rows to compute again tonight.

    rows              relation of the driving staging model; it has `_delivery`
    key               name of the model's key column
    resolves_commune  the model stores commune_code, commune_code_reported and commune_reported_on

    1. Rows changed by a delivery that the model has not seen. Raw keeps tombstones and so does the model, hence the
       highest `_delivery` in the model is the last delivery it has seen.
    2. Late dimension: rows whose stored commune is not the one the mapping gives now. Comparing the stored result
       needs no memory of which governance release was used last.

    Empty on a full refresh, which therefore computes everything by the same expressions.
-#}
{% macro only_changed(rows, key, resolves_commune=false) -%}
    {%- if is_incremental() -%}
    where
        {{ key }} in (
            select delivered.{{ key }}
            from {{ rows }} as delivered
            where delivered._delivery > (select coalesce(max(built._delivery), 0) from {{ this }} as built)
        {%- if resolves_commune %}
            union
            select built.{{ key }}
            from {{ this }} as built
            {{ today_commune('built.commune_code_reported', 'built.commune_reported_on') }}
            where built.commune_code is distinct from commune_now.commune_code
        {%- endif %}
        )
    {%- endif -%}
{%- endmacro %}
