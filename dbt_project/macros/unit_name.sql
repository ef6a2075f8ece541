{#- Splitting the full name of an administrative unit («Thị trấn Chũ») into its type and its bare name («Chũ»). -#}

{% macro unit_types() -%}
    {{- return(['Thị trấn', 'Thị xã', 'Thành phố', 'Phường', 'Xã', 'Huyện', 'Tỉnh']) -}}
{%- endmacro %}

{#- Type in its usual spelling (sources also write «Thị Xã»); null where the name starts with no known type. -#}
{% macro unit_type(name) -%}
case
    {%- for type in unit_types() %}
    when {{ name }} ilike '{{ type }} %' then '{{ type }}'
    {%- endfor %}
end
{%- endmacro %}

{#- Name without its type; the whole name where it starts with no known type. -#}
{% macro name_without_type(name) -%}
case
    {%- for type in unit_types() %}
    when {{ name }} ilike '{{ type }} %' then btrim(substr({{ name }}, {{ type | length + 1 }}))
    {%- endfor %}
    else {{ name }}
end
{%- endmacro %}
