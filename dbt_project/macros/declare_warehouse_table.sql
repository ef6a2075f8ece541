{#-
    Post-hook of every warehouse model: tells the database the key by which the engine compares candidate and
    release, and whether the candidate carries a watermark (_build, _deleted). Read from the model's
    `config: meta: {key: [...], watermark: true}`.
-#}
{% macro declare_warehouse_table() -%}
    {%- if execute -%}
        {%- set key = model.config.meta.get('key') -%}
        {%- set watermark = model.config.meta.get('watermark') -%}
        {%- if not key or watermark is none -%}
            {{- exceptions.raise_compiler_error(
                model.name ~ ": a warehouse model names its key and its watermark in config.meta"
            ) -}}
        {%- endif -%}
        select release.declare(
            '{{ subject_of(model) }}',
            '{{ model.name }}',
            array['{{ key | join("', '") }}']::text[],
            {{ watermark | string | lower }}
        )
    {%- endif -%}
{%- endmacro %}
