"""VN-2000 plane coordinates in zones of three degrees, for many points at once.

Belongs here: the projection. Stays out: which zone a register uses (`province.land`).

Transverse Mercator on the WGS 84 ellipsoid, scale 0.9999, false easting 500 km (Circular 973/2001/TT-TCĐC). The datum
shift of about 200 m between VN-2000 and WGS 84 is left out: nothing simulated is surveyed that closely.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BAC_NINH, BAC_GIANG = 9209, 9214  # EPSG codes of the zones of the two former provinces
MERIDIAN = {BAC_NINH: 105.5, BAC_GIANG: 107.0}
_A, _F, _K0 = 6_378_137.0, 1 / 298.257223563, 0.9999
_E2 = _F * (2 - _F)


def to_plane(
    lat: npt.NDArray[Any], lon: npt.NDArray[Any], epsg: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Degrees to (x northing, y easting) in metres, as Vietnamese registers name them; good to a millimetre inside a zone."""
    phi, away = np.radians(lat), np.radians(np.asarray(lon) - MERIDIAN[epsg])
    second = _E2 / (1 - _E2)
    sin, cos, tan2 = np.sin(phi), np.cos(phi), np.tan(phi) ** 2
    radius = _A / np.sqrt(1 - _E2 * sin**2)
    c, a = second * cos**2, away * cos
    arc = _A * (
        (1 - _E2 / 4 - 3 * _E2**2 / 64 - 5 * _E2**3 / 256) * phi
        - (3 * _E2 / 8 + 3 * _E2**2 / 32 + 45 * _E2**3 / 1024) * np.sin(2 * phi)
        + (15 * _E2**2 / 256 + 45 * _E2**3 / 1024) * np.sin(4 * phi)
        - (35 * _E2**3 / 3072) * np.sin(6 * phi)
    )
    up = radius * np.tan(phi) * (a**2 / 2 + (5 - tan2 + 9 * c + 4 * c**2) * a**4 / 24)
    up += radius * np.tan(phi) * (61 - 58 * tan2 + tan2**2 + 600 * c - 330 * second) * a**6 / 720
    east = radius * (a + (1 - tan2 + c) * a**3 / 6)
    east += radius * (5 - 18 * tan2 + tan2**2 + 72 * c - 58 * second) * a**5 / 120
    return _K0 * (arc + up), 500_000.0 + _K0 * east
