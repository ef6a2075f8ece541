"""Words of administrative procedures: fields of law, what they give out, and the procedures that everybody needs.

Belongs here: lists from which the catalogue is made. Stays out: making it (`procedures_catalogue`).

Fields, and the procedures listed by name, are named as in public; every other name is put together from an action and an
object, every other code is invented. Field codes are those of a ministry and a field, as in `G03-GD10`.
"""

from __future__ import annotations

from dataclasses import dataclass

ACTIONS = (
    "Cấp", "Cấp lại", "Cấp đổi", "Gia hạn", "Điều chỉnh", "Đăng ký", "Đăng ký thay đổi", "Xác nhận", "Công nhận",
    "Thẩm định", "Phê duyệt", "Thông báo", "Thu hồi", "Chấm dứt hiệu lực", "Chuyển nhượng",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field of law. commune, province: how many of the level's procedures are of it, as a weight; firms: the share of
    enterprises among those who apply; busy: dossiers, as a weight within the receiving agency; things: see `objects`.
    """

    code: str
    name: str
    department: str
    commune: float
    province: float
    firms: float
    busy: float
    things: str

    @property
    def objects(self) -> tuple[str, ...]:
        """What its procedures give out or decide on."""
        return tuple(self.things.split("; "))


FIELDS = (
    Field("G15-HT01", "Hộ tịch", "TP", 36, 4, 0.0, 10,
          "giấy khai sinh có yếu tố nước ngoài; trích lục hộ tịch; việc giám hộ; việc nhận cha, mẹ, con; "
          "việc thay đổi, cải chính hộ tịch; khai sinh lưu động"),
    Field("G15-CT02", "Chứng thực", "TP", 14, 2, 0.03, 12,
          "văn bản thỏa thuận phân chia di sản; hợp đồng liên quan đến tài sản là động sản; di chúc; "
          "văn bản từ chối nhận di sản; chữ ký người dịch"),
    Field("G15-NC03", "Nuôi con nuôi", "TP", 6, 9, 0.0, 1,
          "việc nuôi con nuôi trong nước; giấy xác nhận đủ điều kiện nuôi con nuôi; "
          "việc nuôi con nuôi có yếu tố nước ngoài"),
    Field("G15-BT04", "Bổ trợ tư pháp", "TP", 0, 98, 0.4, 8,
          "văn phòng công chứng; thẻ công chứng viên; văn phòng luật sư; doanh nghiệp đấu giá tài sản; "
          "văn phòng giám định tư pháp; trung tâm trọng tài; phiếu lý lịch tư pháp; trung tâm tư vấn pháp luật"),
    Field("G15-PL05", "Phổ biến, giáo dục pháp luật", "TP", 7, 5, 0.1, 1,
          "hòa giải viên; tuyên truyền viên pháp luật; tổ hòa giải ở cơ sở"),
    Field("G10-DD01", "Đất đai", "NNMT", 36, 60, 0.06, 40,
          "giấy chứng nhận quyền sử dụng đất lần đầu; biến động quyền sử dụng đất; quyết định giao đất; "
          "hợp đồng thuê đất; chuyển mục đích sử dụng đất; tách thửa, hợp thửa; thế chấp quyền sử dụng đất; "
          "xóa thế chấp quyền sử dụng đất"),
    Field("G10-MT02", "Môi trường", "NNMT", 10, 44, 0.8, 6,
          "giấy phép môi trường; báo cáo đánh giá tác động môi trường; bản đăng ký môi trường; "
          "phương án cải tạo, phục hồi môi trường; tham vấn đánh giá tác động môi trường"),
    Field("G10-NN03", "Nông nghiệp", "NNMT", 14, 66, 0.4, 4,
          "giấy chứng nhận đủ điều kiện buôn bán thuốc bảo vệ thực vật; mã số vùng trồng; "
          "giấy chứng nhận trang trại; hỗ trợ khôi phục sản xuất sau thiên tai; chuyển đổi cơ cấu cây trồng; "
          "giấy phép kinh doanh giống cây trồng"),
    Field("G10-TY04", "Chăn nuôi và thú y", "NNMT", 4, 52, 0.5, 3,
          "chứng chỉ hành nghề thú y; giấy chứng nhận kiểm dịch động vật; giấy chứng nhận đủ điều kiện chăn nuôi; "
          "giấy chứng nhận cơ sở an toàn dịch bệnh; kê khai hoạt động chăn nuôi"),
    Field("G10-LN05", "Lâm nghiệp và kiểm lâm", "NNMT", 8, 44, 0.3, 2,
          "phương án khai thác lâm sản; mã số cơ sở nuôi động vật rừng; bảng kê lâm sản; "
          "chuyển mục đích sử dụng rừng"),
    Field("G10-TL06", "Thủy lợi", "NNMT", 9, 38, 0.6, 1,
          "giấy phép xả thải vào công trình thủy lợi; phương án bảo vệ đập, hồ chứa; quy trình vận hành hồ chứa; "
          "hỗ trợ kiên cố hóa kênh mương"),
    Field("G10-TN07", "Tài nguyên nước và khoáng sản", "NNMT", 5, 56, 0.8, 2,
          "giấy phép khai thác nước dưới đất; giấy phép thăm dò khoáng sản; giấy phép khai thác khoáng sản; "
          "đề án đóng cửa mỏ; giấy phép hành nghề khoan nước dưới đất"),
    Field("G18-BT01", "Bảo trợ xã hội", "YT", 34, 26, 0.02, 14,
          "trợ cấp xã hội hằng tháng; mức độ khuyết tật; hộ nghèo, hộ cận nghèo; hỗ trợ chi phí mai táng; "
          "cơ sở trợ giúp xã hội; nhận chăm sóc, nuôi dưỡng đối tượng"),
    Field("G18-TE02", "Trẻ em", "YT", 11, 4, 0.0, 2,
          "biện pháp can thiệp khẩn cấp cho trẻ em; việc chăm sóc thay thế cho trẻ em; "
          "hỗ trợ trẻ em có hoàn cảnh đặc biệt"),
    Field("G18-KB03", "Khám bệnh, chữa bệnh", "YT", 0, 104, 0.55, 9,
          "giấy phép hành nghề khám bệnh, chữa bệnh; giấy phép hoạt động cơ sở khám bệnh, chữa bệnh; "
          "danh mục kỹ thuật; hoạt động khám sức khỏe; đoàn khám bệnh nhân đạo; xếp cấp chuyên môn kỹ thuật; "
          "điểm sơ cấp cứu"),
    Field("G18-DP04", "Dược phẩm, mỹ phẩm", "YT", 0, 78, 0.6, 9,
          "chứng chỉ hành nghề dược; giấy chứng nhận đủ điều kiện kinh doanh dược; phiếu công bố mỹ phẩm; "
          "giấy xác nhận nội dung thông tin thuốc; thực hành tốt cơ sở bán lẻ thuốc; quảng cáo mỹ phẩm"),
    Field("G18-YD05", "Y tế dự phòng và an toàn thực phẩm", "YT", 7, 52, 0.6, 5,
          "giấy chứng nhận cơ sở đủ điều kiện an toàn thực phẩm; bản tự công bố sản phẩm; "
          "cơ sở đủ điều kiện tiêm chủng; cơ sở xét nghiệm an toàn sinh học; bếp ăn tập thể"),
    Field("G09-NC01", "Người có công", "NV", 34, 40, 0.0, 8,
          "trợ cấp một lần đối với thân nhân liệt sĩ; chế độ người hoạt động kháng chiến; "
          "hỗ trợ thăm viếng mộ liệt sĩ; giấy chứng nhận gia đình liệt sĩ; chế độ điều dưỡng người có công; "
          "trợ cấp thờ cúng liệt sĩ"),
    Field("G09-LD02", "Lao động, tiền lương, việc làm", "NV", 10, 74, 0.7, 8,
          "giấy phép lao động cho người nước ngoài; nội quy lao động; thỏa ước lao động tập thể; "
          "hưởng trợ cấp thất nghiệp; giấy phép hoạt động dịch vụ việc làm; hỗ trợ giải quyết việc làm; "
          "giấy phép cho thuê lại lao động"),
    Field("G09-TD03", "Thi đua, khen thưởng", "NV", 9, 10, 0.05, 2,
          "giấy khen; danh hiệu lao động tiên tiến; danh hiệu gia đình văn hóa"),
    Field("G09-HH04", "Tổ chức phi chính phủ và hội", "NV", 13, 30, 0.1, 1,
          "điều lệ hội; quỹ từ thiện; thành lập hội; tài trợ hội; văn thư lưu trữ"),
    Field("G09-CC05", "Công chức, viên chức", "NV", 0, 22, 0.0, 1,
          "kết quả tuyển dụng công chức; kết quả thăng hạng viên chức; tiếp nhận vào viên chức"),
    Field("G12-DN01", "Thành lập và hoạt động của doanh nghiệp", "TC", 0, 84, 1.0, 30,
          "thành lập công ty trách nhiệm hữu hạn; thành lập công ty cổ phần; nội dung đăng ký doanh nghiệp; "
          "hoạt động chi nhánh, văn phòng đại diện; tạm ngừng kinh doanh; giải thể doanh nghiệp; "
          "người đại diện theo pháp luật"),
    Field("G12-HK02", "Hộ kinh doanh", "TC", 9, 0, 0.0, 16,
          "giấy chứng nhận đăng ký hộ kinh doanh; tạm ngừng kinh doanh của hộ kinh doanh; "
          "nội dung đăng ký hộ kinh doanh"),
    Field("G12-HT03", "Hợp tác xã", "TC", 18, 24, 0.6, 1,
          "giấy chứng nhận đăng ký hợp tác xã; tổ hợp tác; chi nhánh của hợp tác xã"),
    Field("G12-DT04", "Đầu tư", "TC", 0, 66, 1.0, 7,
          "giấy chứng nhận đăng ký đầu tư; chủ trương đầu tư; ngừng hoạt động của dự án đầu tư; "
          "giãn tiến độ đầu tư; văn phòng điều hành nhà đầu tư nước ngoài; dự án đối tác công tư"),
    Field("G12-TC05", "Quản lý công sản và giá", "TC", 4, 46, 0.5, 2,
          "sắp xếp lại tài sản công; mã số đơn vị quan hệ ngân sách; bán tài sản công; hiệp thương giá; kê khai giá"),
    Field("G17-XD01", "Hoạt động xây dựng", "XD", 20, 54, 0.5, 12,
          "giấy phép xây dựng nhà ở riêng lẻ; giấy phép xây dựng công trình; "
          "chứng chỉ hành nghề hoạt động xây dựng; báo cáo nghiên cứu khả thi; "
          "chứng chỉ năng lực tổ chức xây dựng; nghiệm thu công trình"),
    Field("G17-QH02", "Quy hoạch xây dựng, kiến trúc", "XD", 8, 26, 0.7, 2,
          "đồ án quy hoạch chi tiết; thông tin quy hoạch; chứng chỉ hành nghề kiến trúc; nhiệm vụ quy hoạch"),
    Field("G17-DB03", "Đường bộ", "XD", 9, 88, 0.5, 25,
          "giấy phép kinh doanh vận tải; phù hiệu xe ô tô; giấy phép lái xe; giấy phép xe tập lái; "
          "giấy phép liên vận; giấy phép thi công công trình trên đường bộ; trung tâm đào tạo lái xe"),
    Field("G17-DT04", "Đường thủy nội địa và đăng kiểm", "XD", 8, 52, 0.5, 3,
          "bến thủy nội địa; phương tiện thủy nội địa; bằng thuyền trưởng; giấy chứng nhận đăng kiểm; "
          "hoạt động vui chơi dưới nước"),
    Field("G17-NO05", "Nhà ở, công sở và hạ tầng kỹ thuật", "XD", 9, 40, 0.4, 3,
          "việc bán nhà ở xã hội; nhà ở thuộc tài sản công; chứng chỉ hành nghề môi giới bất động sản; "
          "chặt hạ cây xanh đô thị; đấu nối hạ tầng kỹ thuật"),
    Field("G03-GD10", "Giáo dục mầm non và phổ thông", "GDDT", 28, 42, 0.25, 6,
          "tuyển sinh đầu cấp; chuyển trường cho học sinh; thành lập trường; hoạt động giáo dục; "
          "hỗ trợ học sinh vùng khó khăn; trường đạt chuẩn quốc gia"),
    Field("G03-GN11", "Giáo dục nghề nghiệp và thường xuyên", "GDDT", 4, 62, 0.5, 3,
          "trung tâm ngoại ngữ, tin học; hoạt động giáo dục nghề nghiệp; trung tâm học tập cộng đồng; "
          "trung tâm giáo dục nghề nghiệp; liên kết đào tạo"),
    Field("G03-VB12", "Hệ thống văn bằng, chứng chỉ", "GDDT", 3, 12, 0.0, 8,
          "bản sao văn bằng, chứng chỉ từ sổ gốc; nội dung văn bằng, chứng chỉ; văn bằng do cơ sở nước ngoài cấp"),
    Field("G16-VH01", "Văn hóa", "VHTTDL", 12, 60, 0.4, 4,
          "việc tổ chức lễ hội; giấy phép kinh doanh karaoke; di tích lịch sử; triển lãm mỹ thuật; "
          "quảng cáo ngoài trời; thư viện; biểu diễn nghệ thuật"),
    Field("G16-TT02", "Thể dục thể thao", "VHTTDL", 5, 44, 0.7, 2,
          "câu lạc bộ thể thao; giấy chứng nhận đủ điều kiện kinh doanh hoạt động thể thao; giải thi đấu thể thao"),
    Field("G16-DL03", "Du lịch", "VHTTDL", 0, 40, 0.7, 3,
          "giấy phép kinh doanh lữ hành; thẻ hướng dẫn viên du lịch; hạng cơ sở lưu trú; điểm du lịch"),
    Field("G16-BC04", "Báo chí, xuất bản", "VHTTDL", 3, 42, 0.5, 2,
          "giấy phép xuất bản bản tin; giấy phép trang thông tin điện tử; giấy phép hoạt động in; "
          "nhập khẩu xuất bản phẩm; trò chơi điện tử công cộng"),
    Field("G02-LT01", "Lưu thông hàng hóa trong nước", "CT", 10, 52, 0.8, 6,
          "giấy phép bán lẻ rượu; giấy phép bán lẻ thuốc lá; "
          "giấy chứng nhận cửa hàng đủ điều kiện bán lẻ xăng dầu; giấy phép sản xuất rượu thủ công; chợ hạng ba"),
    Field("G02-XT02", "Xúc tiến thương mại và thương mại quốc tế", "CT", 0, 54, 1.0, 9,
          "hoạt động khuyến mại; văn phòng đại diện thương nhân nước ngoài; cơ sở bán lẻ có vốn nước ngoài; "
          "hội chợ, triển lãm thương mại; giấy chứng nhận xuất xứ hàng hóa"),
    Field("G02-CN03", "Công nghiệp, điện, hóa chất", "CT", 3, 74, 0.9, 4,
          "giấy phép hoạt động điện lực; giấy chứng nhận đủ điều kiện kinh doanh hóa chất; "
          "giấy phép sử dụng vật liệu nổ; cụm công nghiệp; giấy chứng nhận đủ điều kiện kinh doanh khí; "
          "sản phẩm công nghiệp nông thôn tiêu biểu"),
    Field("G06-KC01", "Hoạt động khoa học và công nghệ", "KHCN", 0, 62, 0.7, 4,
          "nhiệm vụ khoa học và công nghệ; giấy chứng nhận doanh nghiệp khoa học và công nghệ; "
          "hợp đồng chuyển giao công nghệ; kết quả thực hiện nhiệm vụ; tổ chức khoa học và công nghệ"),
    Field("G06-AT02", "An toàn bức xạ và đo lường", "KHCN", 0, 44, 0.8, 4,
          "giấy phép tiến hành công việc bức xạ; chứng chỉ nhân viên bức xạ; công bố hợp chuẩn; dấu định lượng; "
          "hoạt động thử nghiệm"),
    Field("G06-VT03", "Viễn thông và bưu chính", "KHCN", 2, 34, 0.9, 2,
          "giấy phép bưu chính; điểm cung cấp dịch vụ viễn thông; giấy phép thiết lập mạng xã hội"),
    Field("G22-TG01", "Tín ngưỡng, tôn giáo", "DTTG", 12, 42, 0.0, 2,
          "hoạt động tín ngưỡng; sinh hoạt tôn giáo tập trung; bổ nhiệm chức sắc; lễ hội tín ngưỡng; "
          "hiến chương tổ chức tôn giáo"),
    Field("G22-DT02", "Công tác dân tộc", "DTTG", 3, 3, 0.0, 1,
          "người có uy tín trong đồng bào dân tộc"),
    Field("G08-NG01", "Lãnh sự và đối ngoại", "NGV", 0, 14, 0.2, 1,
          "giấy tờ đi nước ngoài; thẻ đi lại doanh nhân APEC; hội nghị, hội thảo quốc tế"),
    Field("G21-KN01", "Khiếu nại, tố cáo, tiếp công dân", "TT", 8, 12, 0.1, 1,
          "đơn khiếu nại; đơn tố cáo; việc tiếp công dân; kê khai tài sản, thu nhập"),
    Field("G12-KC06", "Khu công nghiệp", "KCN", 0, 60, 1.0, 10,
          "dự án đầu tư trong khu công nghiệp; giấy phép lao động trong khu công nghiệp; "
          "giấy phép xây dựng trong khu công nghiệp; doanh nghiệp chế xuất; "
          "giấy phép môi trường trong khu công nghiệp"),
    Field("G01-CT01", "Đăng ký, quản lý cư trú", "CA", 13, 8, 0.0, 24,
          "tạm trú; thường trú; thông tin về cư trú; tạm vắng; tách hộ"),
    Field("G01-CC02", "Định danh và căn cước", "CA", 3, 8, 0.02, 8,
          "tài khoản định danh điện tử; thẻ căn cước; giấy xác nhận thông tin căn cước"),
    Field("G01-AN03", "An ninh, trật tự và phương tiện", "CA", 6, 26, 0.4, 14,
          "giấy chứng nhận đủ điều kiện an ninh, trật tự; biển số xe; giấy phép mang pháo hoa; con dấu; "
          "phòng cháy và chữa cháy"),
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A procedure known by name. busy: share of all dossiers of communes, per mille; hours: time limit in working hours
    instead of working days.
    """

    code: str
    name: str
    field: str
    days: int
    busy: float
    mode: int  # index into catalogue.MODES
    fee: int = 0
    charge: int = 0
    per_page: bool = False
    hours: bool = False


KNOWN = (
    Known("2.000815", "Chứng thực bản sao từ bản chính giấy tờ, văn bản", "G15-CT02", 8, 330, 1, 2000, per_page=True, hours=True),
    Known("2.000884", "Chứng thực chữ ký trong các giấy tờ, văn bản", "G15-CT02", 8, 95, 1, 10000, hours=True),
    Known("1.001193", "Đăng ký khai sinh", "G15-HT01", 1, 42, 0),
    Known("1.000656", "Đăng ký khai tử", "G15-HT01", 1, 18, 0),
    Known("1.000894", "Đăng ký kết hôn", "G15-HT01", 1, 22, 0),
    Known("1.004873", "Cấp giấy xác nhận tình trạng hôn nhân", "G15-HT01", 3, 48, 0, 0, 15000),
    Known("2.000635", "Cấp bản sao trích lục hộ tịch", "G15-HT01", 1, 46, 0, 8000),
    Known("1.004859", "Đăng ký lại khai sinh", "G15-HT01", 5, 12, 0),
)  # fmt: skip
#: In no national list: the old systems took them in under codes of their own.
LOCAL_ONLY = (
    ("TS_lop1.000.00.00.H02", "Tuyển sinh vào lớp 1"),
    ("TS_lop6.000.00.00.H02", "Tuyển sinh vào lớp 6"),
    ("TS_lop10.000.00.00.H02", "Tuyển sinh vào lớp 10"),
    ("XN_hokho.000.00.00.H02", "Xác nhận hộ khó khăn đột xuất"),
    ("NUOC_sach.000.00.00.H05", "Đăng ký lắp đặt nước sạch nông thôn"),
    ("DIEN_haap.000.00.00.H05", "Đăng ký cấp điện hạ áp qua một cửa"),
)
REPORT_TOPICS = (
    "Chậm trả kết quả hồ sơ đất đai", "Thái độ của công chức một cửa", "Thu phí không đúng quy định", "Yêu cầu thêm giấy tờ ngoài quy định",
    "Hệ thống dịch vụ công bị lỗi khi nộp hồ sơ", "Không liên hệ được bộ phận một cửa", "Hồ sơ bị trả lại nhiều lần",
    "Đường thôn xuống cấp", "Rác thải tồn đọng", "Tiếng ồn ban đêm", "Đèn đường không sáng", "Kiến nghị về mức trợ cấp",
)  # fmt: skip
